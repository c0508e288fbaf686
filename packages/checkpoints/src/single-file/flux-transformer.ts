// The transformer of Black Forest Labs' Flux (model.py) in the terms of diffusers' FluxTransformer2DModel.
import type { Folder } from '../folder.ts';
import type { Weight, Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf, replaceStart } from './converted-component.ts';
import { type DiffusersName, kindOf, queryKeyValue, renameOriginal } from './original-names.ts';

const embedder = (from: string, to: string) =>
  [
    [`${from}.in_layer`, `time_text_embed.${to}_embedder.linear_1`],
    [`${from}.out_layer`, `time_text_embed.${to}_embedder.linear_2`],
  ] as const;

const outerNames = [
  ...embedder('time_in', 'timestep'),
  ...embedder('vector_in', 'text'),
  ...embedder('guidance_in', 'guidance'),
  ['txt_in', 'context_embedder'],
  ['img_in', 'x_embedder'],
  ['final_layer.linear', 'proj_out'],
] as const;

const jointNames = [
  ['img_mod.lin', 'norm1.linear'],
  ['txt_mod.lin', 'norm1_context.linear'],
  ['img_attn.proj', 'attn.to_out.0'],
  ['txt_attn.proj', 'attn.to_add_out'],
  ['img_attn.norm.query_norm.scale', 'attn.norm_q.weight'],
  ['img_attn.norm.key_norm.scale', 'attn.norm_k.weight'],
  ['txt_attn.norm.query_norm.scale', 'attn.norm_added_q.weight'],
  ['txt_attn.norm.key_norm.scale', 'attn.norm_added_k.weight'],
  ['img_mlp.0', 'ff.net.0.proj'],
  ['img_mlp.2', 'ff.net.2'],
  ['txt_mlp.0', 'ff_context.net.0.proj'],
  ['txt_mlp.2', 'ff_context.net.2'],
] as const;

const singleNames = [
  ['modulation.lin', 'norm.linear'],
  ['norm.query_norm.scale', 'attn.norm_q.weight'],
  ['norm.key_norm.scale', 'attn.norm_k.weight'],
  ['linear2', 'proj_out'],
] as const;

/** A weight that only such a transformer has; Flux 2 shares one modulation among its blocks. */
export const fluxMark = 'double_blocks.0.img_mod.lin.weight';

/** The transformer of weights whose names lack a prefix, in a file of `folder`. */
export function convertFluxTransformer(folder: Folder, weights: Weights): ConvertedComponent {
  const dim = (name: string, axis: number) => dimOf(weights, name, axis);
  const features = dim('img_in.weight', 0) ?? 0;
  const headSize = dim('double_blocks.0.img_attn.norm.query_norm.scale', 0) ?? 128;
  return {
    measured: {
      _class_name: 'FluxTransformer2DModel',
      patch_size: 1,
      in_channels: dim('img_in.weight', 1),
      out_channels: dim('final_layer.linear.weight', 0),
      num_layers: countWhile((i) => weights.has(`double_blocks.${i}.img_attn.qkv.weight`)),
      num_single_layers: countWhile((i) => weights.has(`single_blocks.${i}.linear1.weight`)),
      attention_head_dim: headSize,
      num_attention_heads: features / headSize,
      joint_attention_dim: dim('txt_in.weight', 1),
      pooled_projection_dim: dim('vector_in.in_layer.weight', 1),
      guidance_embeds: weights.has('guidance_in.in_layer.weight'),
    },
    assumed: { axes_dims_rope: [16, 56, 56] },
    weights: () => renameOriginal(folder, weights, (name, weight) => rename(name, weight, features)),
  };
}

function rename(name: string, weight: Weight, features: number): DiffusersName {
  const kind = kindOf(name);
  const [, blocks, layer, rest] = /^(double|single)_blocks\.(\d+)\.(.*)$/.exec(name) ?? [];
  if (blocks === undefined || rest === undefined) {
    const isLast = name.startsWith('final_layer.adaLN_modulation.1.');
    return isLast ? { swapped: `norm_out.linear${kind}` } : replaceStart(name, outerNames);
  }
  if (blocks === 'single') {
    const home = `single_transformer_blocks.${layer}`;
    if (!rest.startsWith('linear1.')) return `${home}.${replaceStart(rest, singleNames)}`;
    const attention = ['q', 'k', 'v'].map(
      (letter) => [`${home}.attn.to_${letter}${kind}`, features] as const,
    );
    return { parts: [...attention, [`${home}.proj_mlp${kind}`, weight.dims[0]! - 3 * features]] };
  }
  const home = `transformer_blocks.${layer}`;
  if (rest.startsWith('img_attn.qkv.')) return queryKeyValue(weight, `${home}.attn.to_`, kind);
  if (rest.startsWith('txt_attn.qkv.')) return queryKeyValue(weight, `${home}.attn.add_`, `_proj${kind}`);
  return `${home}.${replaceStart(rest, jointNames)}`;
}
