// The autoencoder of CompVis' latent-diffusion (model.py) in the terms of diffusers' AutoencoderKL.
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf, renamed, replaceStart } from './converted-component.ts';

const attentionNames = [
  ['norm', 'group_norm'],
  ['q', 'to_q'],
  ['k', 'to_k'],
  ['v', 'to_v'],
  ['proj_out', 'to_out.0'],
] as const;

const middleNames = [
  ['block_1', 'resnets.0'],
  ['attn_1', 'attentions.0'],
  ['block_2', 'resnets.1'],
] as const;

/**
 * The autoencoder of weights whose names lack the prefix `first_stage_model.`.
 * @param scalingFactor which shapes do not tell, as they do not tell `shiftFactor`
 */
export function convertVae(
  weights: Weights,
  scalingFactor: number,
  shiftFactor?: number,
): ConvertedComponent {
  const first = (level: number) => `encoder.down.${level}.block.0.conv1.weight`;
  const count = countWhile((level) => weights.has(first(level)));
  const levels = Array.from({ length: count }, (_, level) => level);
  return {
    measured: {
      _class_name: 'AutoencoderKL',
      in_channels: dimOf(weights, 'encoder.conv_in.weight', 1),
      out_channels: dimOf(weights, 'decoder.conv_out.weight', 0),
      latent_channels: dimOf(weights, 'decoder.conv_in.weight', 1),
      block_out_channels: levels.map((level) => dimOf(weights, first(level), 0)),
      layers_per_block: countWhile((i) => weights.has(`encoder.down.0.block.${i}.conv1.weight`)),
      down_block_types: levels.map(() => 'DownEncoderBlock2D'),
      up_block_types: levels.map(() => 'UpDecoderBlock2D'),
      use_quant_conv: weights.has('quant_conv.weight'),
      use_post_quant_conv: weights.has('post_quant_conv.weight'),
      mid_block_add_attention: weights.has('decoder.mid.attn_1.q.weight'),
    },
    assumed: {
      norm_num_groups: 32,
      scaling_factor: scalingFactor,
      ...(shiftFactor !== undefined && { shift_factor: shiftFactor }),
    },
    // Some files have the networks that the autoencoder was trained against.
    weights: async () =>
      renamed(new Map([...weights].filter(([name]) => !name.startsWith('loss.'))), (name) =>
        rename(name, count),
      ),
  };
}

function rename(name: string, levels: number): string {
  const [, half, rest] = /^(encoder|decoder)\.(.*)$/.exec(name) ?? [];
  if (half === undefined || rest === undefined) return name;
  const [, way, level, inner] = /^(down|up)\.(\d+)\.(.*)$/.exec(rest) ?? [];
  if (way !== undefined && inner !== undefined) {
    // The original counts resolutions from the finest on both ways, diffusers in the order in which they are passed.
    const place = way === 'down' ? Number(level) : levels - 1 - Number(level);
    const module = inner
      .replace(/^block\.(\d+)\.(?:nin_shortcut)\./, 'resnets.$1.conv_shortcut.')
      .replace(/^block\./, 'resnets.')
      .replace(/^(down|up)sample\./, '$1samplers.0.');
    return `${half}.${way}_blocks.${place}.${module}`;
  }
  const [, middle] = /^mid\.(.*)$/.exec(rest) ?? [];
  if (middle !== undefined) {
    const module = replaceStart(middle, middleNames);
    const [, attention] = /^attentions\.0\.(.*)$/.exec(module) ?? [];
    return `${half}.mid_block.${attention === undefined ? module : `attentions.0.${replaceStart(attention, attentionNames)}`}`;
  }
  return `${half}.${replaceStart(rest, [['norm_out', 'conv_norm_out']])}`;
}
