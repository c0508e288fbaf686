// The transformer of Stability AI's Stable Diffusion 3 (mmditx.py) in the terms of diffusers' SD3Transformer2DModel.
import type { Folder } from '../folder.ts';
import type { Weight, Weights } from '../weight.ts';
import {
  type ConvertedComponent,
  countWhile,
  dimOf,
  headsOf64,
  replaceStart,
} from './converted-component.ts';
import { type DiffusersName, kindOf, queryKeyValue, renameOriginal } from './original-names.ts';

const outerNames = [
  ['x_embedder.proj', 'pos_embed.proj'],
  ['pos_embed', 'pos_embed.pos_embed'],
  ['t_embedder.mlp.0', 'time_text_embed.timestep_embedder.linear_1'],
  ['t_embedder.mlp.2', 'time_text_embed.timestep_embedder.linear_2'],
  ['y_embedder.mlp.0', 'time_text_embed.text_embedder.linear_1'],
  ['y_embedder.mlp.2', 'time_text_embed.text_embedder.linear_2'],
  ['final_layer.linear', 'proj_out'],
] as const;

const pictureNames = [
  ['adaLN_modulation.1', 'norm1.linear'],
  ['attn.proj', 'attn.to_out.0'],
  ['attn.ln_q', 'attn.norm_q'],
  ['attn.ln_k', 'attn.norm_k'],
  ['attn2.proj', 'attn2.to_out.0'],
  ['attn2.ln_q', 'attn2.norm_q'],
  ['attn2.ln_k', 'attn2.norm_k'],
  ['mlp.fc1', 'ff.net.0.proj'],
  ['mlp.fc2', 'ff.net.2'],
] as const;

const textNames = [
  ['adaLN_modulation.1', 'norm1_context.linear'],
  ['attn.proj', 'attn.to_add_out'],
  ['attn.ln_q', 'attn.norm_added_q'],
  ['attn.ln_k', 'attn.norm_added_k'],
  ['mlp.fc1', 'ff_context.net.0.proj'],
  ['mlp.fc2', 'ff_context.net.2'],
] as const;

/** A weight that only such a transformer has. */
export const sd3Mark = 'joint_blocks.0.x_block.attn.qkv.weight';

/** The transformer of weights whose names lack the prefix `model.diffusion_model.`, in a file of `folder`. */
export function convertSd3Transformer(folder: Folder, weights: Weights): ConvertedComponent {
  const dim = (name: string, axis: number) => dimOf(weights, name, axis);
  const block = (i: number) => `joint_blocks.${i}.x_block`;
  const layers = countWhile((i) => weights.has(`${block(i)}.attn.qkv.weight`));
  const features = dim('x_embedder.proj.weight', 0) ?? 0;
  const patchSize = dim('x_embedder.proj.weight', 2) ?? 1;
  const headSize = dim(`${block(0)}.attn.ln_q.weight`, 0);
  const dual = Array.from({ length: layers }, (_, i) => i).filter((i) =>
    weights.has(`${block(i)}.attn2.qkv.weight`),
  );
  return {
    measured: {
      _class_name: 'SD3Transformer2DModel',
      num_layers: layers,
      patch_size: patchSize,
      in_channels: dim('x_embedder.proj.weight', 1),
      out_channels: (dim('final_layer.linear.weight', 0) ?? 0) / patchSize ** 2,
      caption_projection_dim: features,
      joint_attention_dim: dim('context_embedder.weight', 1),
      pooled_projection_dim: dim('y_embedder.mlp.0.weight', 1),
      pos_embed_max_size: Math.sqrt(dim('pos_embed', 1) ?? 0),
      qk_norm: headSize === undefined ? null : 'rms_norm',
      dual_attention_layers: dual,
      ...(headSize !== undefined && {
        attention_head_dim: headSize,
        num_attention_heads: features / headSize,
      }),
    },
    assumed: { sample_size: 128, attention_head_dim: 64, num_attention_heads: headsOf64(features) },
    weights: () => renameOriginal(folder, weights, (name, weight) => rename(name, weight, layers)),
  };
}

function rename(name: string, weight: Weight, layers: number): DiffusersName {
  const kind = kindOf(name);
  const [, layer, stream, rest] = /^joint_blocks\.(\d+)\.(x|context)_block\.(.*)$/.exec(name) ?? [];
  if (layer === undefined || rest === undefined) {
    const isLast = name.startsWith('final_layer.adaLN_modulation.1.');
    return isLast ? { swapped: `norm_out.linear${kind}` } : replaceStart(name, outerNames);
  }
  const home = `transformer_blocks.${layer}`;
  const [, attention] = /^(attn2?)\.qkv\./.exec(rest) ?? [];
  if (stream === 'x') {
    if (attention !== undefined) return queryKeyValue(weight, `${home}.${attention}.to_`, kind);
    return `${home}.${replaceStart(rest, pictureNames)}`;
  }
  if (attention !== undefined) return queryKeyValue(weight, `${home}.attn.add_`, `_proj${kind}`);
  const named = `${home}.${replaceStart(rest, textNames)}`;
  // The text leaves the last block with nothing but a shift and a scale.
  const swaps = Number(layer) === layers - 1 && rest.startsWith('adaLN_modulation.1.');
  return swaps ? { swapped: named } : named;
}
