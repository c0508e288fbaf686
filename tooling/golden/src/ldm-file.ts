// A model in diffusers layout written as one file in the names of CompVis and Stability AI: what reading one undoes.
// The names are worked out as diffusers' scripts/convert_diffusers_to_original_stable_diffusion.py does.
import { type Folder, openWeights, readJson, readTensor, writeSafetensors } from '@emulsion/checkpoints';
import { type Tensor, tensor } from '@emulsion/tensor';

/** Families of models with their text encoders' prefixes; `open` are those in the layout of OpenCLIP. */
const textEncoders = {
  sd1: [{ folder: 'text_encoder', prefix: 'cond_stage_model.transformer.', open: false }],
  sd2: [{ folder: 'text_encoder', prefix: 'cond_stage_model.model.', open: true }],
  sdxl: [
    { folder: 'text_encoder', prefix: 'conditioner.embedders.0.transformer.', open: false },
    { folder: 'text_encoder_2', prefix: 'conditioner.embedders.1.model.', open: true },
  ],
  'sdxl-refiner': [{ folder: 'text_encoder_2', prefix: 'conditioner.embedders.0.model.', open: true }],
} as const;

export type LdmFamily = keyof typeof textEncoders;

/** The tensors of a model under the names that they have in a single file. */
export async function ldmTensors(
  model: Folder,
  family: LdmFamily,
  unetFolder: Folder = model.subfolder('unet'),
): Promise<Record<string, Tensor>> {
  const unet = await readJson(unetFolder, 'config.json');
  const vae = await readJson(model.subfolder('vae'), 'config.json');
  const layers = Number(field(unet, 'layers_per_block'));
  const levels = lengthOf(field(vae, 'block_out_channels'));
  const upTypes = field(unet, 'up_block_types');
  const renames: [Folder, (name: string) => string][] = [
    [unetFolder, (name) => `model.diffusion_model.${unetName(name, layers, upTypes)}`],
    [model.subfolder('vae'), (name) => `first_stage_model.${vaeName(name, levels)}`],
  ];
  const tensors: Record<string, Tensor> = {};
  for (const [folder, rename] of renames) {
    for (const [name, value] of await tensorsOf(folder)) tensors[rename(name)] = value;
  }
  for (const { folder, prefix, open } of textEncoders[family]) {
    const stored = await tensorsOf(model.subfolder(folder));
    const named = [...stored].map(([name, value]): [string, Tensor] => [
      name.startsWith('text_') ? name : `text_model.${name}`,
      value,
    ]);
    const written = open ? openClipTensors(new Map(named), family === 'sd2') : named;
    for (const [name, value] of written) tensors[prefix + name] = value;
  }
  return tensors;
}

/** The same as the bytes of a safetensors file. */
export const ldmFile = async (model: Folder, family: LdmFamily, unet?: Folder): Promise<Uint8Array> =>
  writeSafetensors(await ldmTensors(model, family, unet));

/** The values of a component's weights. */
export async function tensorsOf(folder: Folder): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [name, weight] of await openWeights(folder)) tensors.set(name, await readTensor(folder, weight));
  return tensors;
}

const field = (json: unknown, key: string): unknown =>
  typeof json === 'object' && json !== null ? Reflect.get(json, key) : undefined;
const lengthOf = (value: unknown) => (Array.isArray(value) ? value.length : 0);

const replaced = (name: string, table: readonly (readonly [string, string])[]) =>
  table.reduce((result, [from, to]) => result.replace(from, to), name);

const unetOuter = [
  ['time_embedding.linear_1', 'time_embed.0'],
  ['time_embedding.linear_2', 'time_embed.2'],
  ['add_embedding.linear_1', 'label_emb.0.0'],
  ['add_embedding.linear_2', 'label_emb.0.2'],
  ['conv_norm_out', 'out.0'],
  ['conv_out', 'out.2'],
  ['conv_in', 'input_blocks.0.0'],
  ['mid_block.attentions.0', 'middle_block.1'],
  ['mid_block.resnets.0', 'middle_block.0'],
  ['mid_block.resnets.1', 'middle_block.2'],
] as const;
const unetResnet = [
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['time_emb_proj', 'emb_layers.1'],
  ['conv_shortcut', 'skip_connection'],
] as const;

/** A weight's name in the original U-Net. */
export function unetName(name: string, layers: number, upTypes?: unknown): string {
  const place = name
    .replace(
      /^down_blocks\.(\d+)\.resnets\.(\d+)/,
      (_, b, l) => `input_blocks.${(layers + 1) * +b + +l + 1}.0`,
    )
    .replace(
      /^down_blocks\.(\d+)\.attentions\.(\d+)/,
      (_, b, l) => `input_blocks.${(layers + 1) * +b + +l + 1}.1`,
    )
    .replace(
      /^down_blocks\.(\d+)\.downsamplers\.0\.conv/,
      (_, b) => `input_blocks.${(layers + 1) * (+b + 1)}.0.op`,
    )
    .replace(/^up_blocks\.(\d+)\.resnets\.(\d+)/, (_, b, l) => `output_blocks.${(layers + 1) * +b + +l}.0`)
    .replace(/^up_blocks\.(\d+)\.attentions\.(\d+)/, (_, b, l) => `output_blocks.${(layers + 1) * +b + +l}.1`)
    .replace(/^up_blocks\.(\d+)\.upsamplers\.0/, (_, b) => {
      const attends = Array.isArray(upTypes) && upTypes[+b] === 'CrossAttnUpBlock2D';
      return `output_blocks.${(layers + 1) * +b + layers}.${attends ? 2 : 1}`;
    });
  const outer = place === name ? replaced(name, unetOuter) : place;
  return name.includes('.resnets.') ? replaced(outer, unetResnet) : outer;
}

const vaeNames = [
  ['conv_norm_out', 'norm_out'],
  ['conv_shortcut', 'nin_shortcut'],
  ['mid_block.attentions.0', 'mid.attn_1'],
  ['mid_block.resnets.0', 'mid.block_1'],
  ['mid_block.resnets.1', 'mid.block_2'],
  ['group_norm', 'norm'],
  ['to_q', 'q'],
  ['to_k', 'k'],
  ['to_v', 'v'],
  ['to_out.0', 'proj_out'],
] as const;

/** A weight's name in the original autoencoder, which counts resolutions from the finest. */
export const vaeName = (name: string, levels: number) =>
  replaced(name, vaeNames)
    .replace(/down_blocks\.(\d+)\.resnets/, 'down.$1.block')
    .replace(/down_blocks\.(\d+)\.downsamplers\.0/, 'down.$1.downsample')
    .replace(/up_blocks\.(\d+)\.resnets/, (_, b) => `up.${levels - 1 - +b}.block`)
    .replace(/up_blocks\.(\d+)\.upsamplers\.0/, (_, b) => `up.${levels - 1 - +b}.upsample`);

const clipLayer = [
  ['layer_norm1', 'ln_1'],
  ['layer_norm2', 'ln_2'],
  ['mlp.fc1', 'mlp.c_fc'],
  ['mlp.fc2', 'mlp.c_proj'],
  ['self_attn.out_proj', 'attn.out_proj'],
] as const;
const clipOuter = [
  ['text_model.embeddings.token_embedding', 'token_embedding'],
  ['text_model.embeddings.position_embedding.weight', 'positional_embedding'],
  ['text_model.final_layer_norm', 'ln_final'],
] as const;

/** A text encoder in OpenCLIP's layout, if asked for with a last layer that is not used. */
function openClipTensors(named: ReadonlyMap<string, Tensor>, addLayer: boolean): [string, Tensor][] {
  const written: [string, Tensor][] = [];
  for (const [name, value] of named) {
    const [, layer, rest] = /^text_model\.encoder\.layers\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (name === 'text_projection.weight') written.push(['text_projection', transposed(value)]);
    else if (layer === undefined || rest === undefined) written.push([replaced(name, clipOuter), value]);
    else {
      const home = `transformer.resblocks.${layer}`;
      const [, part, kind] = /^self_attn\.([qkv])_proj\.(weight|bias)$/.exec(rest) ?? [];
      if (part === undefined) written.push([`${home}.${replaced(rest, clipLayer)}`, value]);
      else if (part === 'q') {
        const parts = ['q', 'k', 'v'].map((p) => named.get(name.replace('q_proj', `${p}_proj`))!);
        const [rows = 0, ...others] = value.dims;
        const data = Float32Array.from(parts.flatMap((p) => [...p.data]));
        written.push([`${home}.attn.in_proj_${kind}`, tensor(data, [3 * rows, ...others])]);
      }
    }
  }
  written.push(['logit_scale', tensor([1], [])]);
  if (!addLayer) return written;
  const last = /resblocks\.(\d+)/;
  const count = Math.max(...written.map(([name]) => Number(last.exec(name)?.[1] ?? -1))) + 1;
  const extra = written
    .filter(([name]) => name.startsWith('transformer.resblocks.0.'))
    .map(([name, value]): [string, Tensor] => [name.replace(last, `resblocks.${count}`), value]);
  return [...written, ...extra];
}

function transposed({ dims: [rows = 0, columns = 0], data }: Tensor): Tensor {
  return tensor(
    Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
    [columns, rows],
  );
}
