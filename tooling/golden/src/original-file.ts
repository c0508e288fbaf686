// Stable Diffusion 3, Flux and ControlNets written as one file in the names of their authors: what reading one undoes. The
// names are worked out from diffusers' scripts/convert_sd3_to_diffusers.py, convert_flux_to_diffusers.py and its
// loaders/single_file_utils.py, backwards.
import { type Folder, readJson, writeSafetensors } from '@emulsion/checkpoints';
import { cpuOps, type Tensor } from '@emulsion/tensor';
import { tensorsOf, unetName, vaeName } from './ldm-file.ts';

export type OriginalFamily = 'sd3' | 'flux';

type Names = readonly (readonly [diffusers: string, original: string])[];

/** The folders of text encoders, and what stands before their names. */
const textEncoders = {
  sd3: { text_encoder: 'clip_l', text_encoder_2: 'clip_g', text_encoder_3: 't5xxl' },
  flux: { text_encoder: 'clip_l', text_encoder_2: 't5xxl' },
} as const satisfies Record<OriginalFamily, Readonly<Record<string, string>>>;

const outerNames = {
  sd3: [
    ['pos_embed.pos_embed', 'pos_embed'],
    ['pos_embed.proj', 'x_embedder.proj'],
    ['time_text_embed.timestep_embedder.linear_1', 't_embedder.mlp.0'],
    ['time_text_embed.timestep_embedder.linear_2', 't_embedder.mlp.2'],
    ['time_text_embed.text_embedder.linear_1', 'y_embedder.mlp.0'],
    ['time_text_embed.text_embedder.linear_2', 'y_embedder.mlp.2'],
    ['proj_out', 'final_layer.linear'],
    ['norm_out.linear', 'final_layer.adaLN_modulation.1'],
  ],
  flux: [
    ['time_text_embed.timestep_embedder.linear_1', 'time_in.in_layer'],
    ['time_text_embed.timestep_embedder.linear_2', 'time_in.out_layer'],
    ['time_text_embed.text_embedder.linear_1', 'vector_in.in_layer'],
    ['time_text_embed.text_embedder.linear_2', 'vector_in.out_layer'],
    ['time_text_embed.guidance_embedder.linear_1', 'guidance_in.in_layer'],
    ['time_text_embed.guidance_embedder.linear_2', 'guidance_in.out_layer'],
    ['context_embedder', 'txt_in'],
    ['x_embedder', 'img_in'],
    ['proj_out', 'final_layer.linear'],
    ['norm_out.linear', 'final_layer.adaLN_modulation.1'],
  ],
} as const satisfies Record<OriginalFamily, Names>;

const blockNames = {
  sd3: [
    ['norm1.linear', 'x_block.adaLN_modulation.1'],
    ['norm1_context.linear', 'context_block.adaLN_modulation.1'],
    ['attn.to_q', 'x_block.attn.qkv'],
    ['attn.add_q_proj', 'context_block.attn.qkv'],
    ['attn.to_out.0', 'x_block.attn.proj'],
    ['attn.to_add_out', 'context_block.attn.proj'],
    ['attn.norm_q', 'x_block.attn.ln_q'],
    ['attn.norm_k', 'x_block.attn.ln_k'],
    ['attn.norm_added_q', 'context_block.attn.ln_q'],
    ['attn.norm_added_k', 'context_block.attn.ln_k'],
    ['attn2.to_q', 'x_block.attn2.qkv'],
    ['attn2.to_out.0', 'x_block.attn2.proj'],
    ['attn2.norm_q', 'x_block.attn2.ln_q'],
    ['attn2.norm_k', 'x_block.attn2.ln_k'],
    ['ff.net.0.proj', 'x_block.mlp.fc1'],
    ['ff.net.2', 'x_block.mlp.fc2'],
    ['ff_context.net.0.proj', 'context_block.mlp.fc1'],
    ['ff_context.net.2', 'context_block.mlp.fc2'],
  ],
  flux: [
    ['norm1.linear', 'img_mod.lin'],
    ['norm1_context.linear', 'txt_mod.lin'],
    ['attn.to_q', 'img_attn.qkv'],
    ['attn.add_q_proj', 'txt_attn.qkv'],
    ['attn.to_out.0', 'img_attn.proj'],
    ['attn.to_add_out', 'txt_attn.proj'],
    ['attn.norm_q.weight', 'img_attn.norm.query_norm.scale'],
    ['attn.norm_k.weight', 'img_attn.norm.key_norm.scale'],
    ['attn.norm_added_q.weight', 'txt_attn.norm.query_norm.scale'],
    ['attn.norm_added_k.weight', 'txt_attn.norm.key_norm.scale'],
    ['ff.net.0.proj', 'img_mlp.0'],
    ['ff.net.2', 'img_mlp.2'],
    ['ff_context.net.0.proj', 'txt_mlp.0'],
    ['ff_context.net.2', 'txt_mlp.2'],
  ],
} as const satisfies Record<OriginalFamily, Names>;

const singleNames = [
  ['norm.linear', 'modulation.lin'],
  ['attn.to_q', 'linear1'],
  ['attn.norm_q.weight', 'norm.query_norm.scale'],
  ['attn.norm_k.weight', 'norm.key_norm.scale'],
  ['proj_out', 'linear2'],
] as const;

/** The first of the names that `name` begins with, replaced. */
function replaced(name: string, names: Names): string {
  const found = names.find(([from]) => name === from || name.startsWith(`${from}.`));
  return found ? found[1] + name.slice(found[0].length) : name;
}

/** The tensors of a transformer under the names that they have with its authors. */
export function originalTransformer(
  family: OriginalFamily,
  tensors: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  const written: Record<string, Tensor> = {};
  const layers = [...tensors.keys()].map((name) =>
    Number(/^transformer_blocks\.(\d+)\./.exec(name)?.[1] ?? 0),
  );
  const last = `transformer_blocks.${Math.max(...layers)}.norm1_context.`;
  for (const [name, value] of tensors) {
    // Keys, values and what else lies below the queries is written with them.
    if (/\.(to_[kv]|add_[kv]_proj|proj_mlp)\.(weight|bias)$/.test(name)) continue;
    const below = /\.(to_q|add_q_proj)\./.test(name)
      ? ['k', 'v'].map((letter) => tensors.get(name.replace(/_q(_proj)?\./, `_${letter}$1.`))!)
      : [];
    const mlp = tensors.get(name.replace('attn.to_q', 'proj_mlp'));
    const single = name.startsWith('single_');
    if (single && name.includes('.to_q.')) below.push(mlp!);
    const swaps = name.startsWith('norm_out.') || (family === 'sd3' && name.startsWith(last));
    written[originalName(family, name)] = swaps ? halvesSwapped(value) : cpuOps.concat([value, ...below]);
  }
  return written;
}

function originalName(family: OriginalFamily, name: string): string {
  const [, single, layer, rest] = /^(single_)?transformer_blocks\.(\d+)\.(.*)$/.exec(name) ?? [];
  if (rest === undefined) return replaced(name, outerNames[family]);
  if (single !== undefined) return `single_blocks.${layer}.${replaced(rest, singleNames)}`;
  const blocks = family === 'sd3' ? 'joint_blocks' : 'double_blocks';
  return `${blocks}.${layer}.${replaced(rest, blockNames[family])}`;
}

function halvesSwapped(value: Tensor): Tensor {
  const half = value.dims[0]! / 2;
  return cpuOps.concat([cpuOps.slice(value, half, 2 * half), cpuOps.slice(value, 0, half)]);
}

/**
 * A whole model as the bytes of a safetensors file.
 * @param parts which components it holds; all unless given
 */
export async function originalFile(
  model: Folder,
  family: OriginalFamily,
  parts: readonly string[] = ['transformer', 'vae', ...Object.keys(textEncoders[family])],
): Promise<Uint8Array> {
  const tensors: Record<string, Tensor> = {};
  const add = (prefix: string, values: Readonly<Record<string, Tensor>>) => {
    for (const [name, value] of Object.entries(values)) tensors[prefix + name] = value;
  };
  if (parts.includes('transformer'))
    add(
      'model.diffusion_model.',
      originalTransformer(family, await tensorsOf(model.subfolder('transformer'))),
    );
  if (parts.includes('vae')) {
    const values = await tensorsOf(model.subfolder('vae'));
    // Four resolutions, as the published models have.
    add(
      'first_stage_model.',
      Object.fromEntries([...values].map(([name, value]) => [vaeName(name, 4), value])),
    );
  }
  for (const [folder, prefix] of Object.entries(textEncoders[family])) {
    if (!parts.includes(folder)) continue;
    const isClip = prefix !== 't5xxl';
    const named = [...(await tensorsOf(model.subfolder(folder)))].map(([name, value]) => [
      // Newer transformers leave out the prefix.
      isClip && !name.startsWith('text_') ? `text_model.${name}` : name,
      value,
    ]);
    add(`text_encoders.${prefix}.transformer.`, Object.fromEntries(named));
  }
  return writeSafetensors(tensors);
}

/** A ControlNet as the bytes of a safetensors file, in the names of its authors. */
export async function controlNetFile(folder: Folder, prefix = 'control_model.'): Promise<Uint8Array> {
  const { layers_per_block: layers } = (await readJson(folder, 'config.json')) as {
    layers_per_block: number;
  };
  const values = [...(await tensorsOf(folder))].map(([name, value]) => [
    prefix + controlNetName(name, layers),
    value,
  ]);
  return writeSafetensors(Object.fromEntries(values));
}

function controlNetName(name: string, layers: number): string {
  const named = name
    .replace(/^controlnet_down_blocks\.(\d+)\./, 'zero_convs.$1.0.')
    .replace('controlnet_mid_block.', 'middle_block_out.0.')
    .replace('controlnet_cond_embedding.conv_in.', 'input_hint_block.0.')
    .replace('controlnet_cond_embedding.conv_out.', 'input_hint_block.14.')
    .replace(
      /^controlnet_cond_embedding\.blocks\.(\d)\./,
      (_, i) => `input_hint_block.${2 * (Number(i) + 1)}.`,
    );
  return named === name ? unetName(name, layers) : named;
}
