// A ControlNet (Zhang et al. 2023), diffusers' ControlNetModel, as a graph.
import { activate, conv2d, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { unetEncoder } from '@emulsion/unet';
import type { ControlNetConfig } from './controlnet-config.ts';

/**
 * Writes the graph: a copy of a U-Net up to its middle, which sees the picture to follow beside the noisy sample, and
 * whose features leave through convolutions that were zero when training began.
 *
 * Inputs, all float32: those of `unet2dCondition`; `controlnet_cond` `[1 or batch, conditioningChannels, height, width]`
 * in pixels, from 0 to 1; `scales` `[outputs]`, what each output is multiplied by. Outputs: `down_block_residual_0` and so
 * on, one for each skip connection of the U-Net and of its shape, and `mid_block_residual`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function controlNet(name: string, config: ControlNetConfig, w: WeightScope, dialect: Dialect): Model {
  const n = new NetworkBuilder(name, dialect);
  const picture = n.input('controlnet_cond', 'float32', [
    'pictures',
    config.conditioningChannels,
    'pixel_height',
    'pixel_width',
  ]);
  const hint = conditioningEmbedding(n, picture, w.at('controlnet_cond_embedding'), config);
  const { skips, middle } = unetEncoder(n, config, w, { hint });
  const scales = n.input('scales', 'float32', [skips.length + 1]);
  const leave = (feature: Value, channels: number, scope: WeightScope, at: number) => {
    const residual = conv2d(n, feature, scope, { inChannels: channels, outChannels: channels, kernel: 1 });
    const scaled = n.op('Mul', [residual, n.op('Gather', [scales, n.ints(at)], { axis: 0 })]);
    return config.globalPoolConditions ? n.op('ReduceMean', [scaled, n.ints(2, 3)], { keepdims: 1 }) : scaled;
  };
  for (const [i, { value, channels }] of skips.entries())
    n.output(`down_block_residual_${i}`, leave(value, channels, w.at(`controlnet_down_blocks.${i}`), i));
  const { channels } = config.downBlocks.at(-1)!;
  n.output('mid_block_residual', leave(middle, channels, w.at('controlnet_mid_block'), skips.length));
  return n.build();
}

/** Features of the picture at the size of the latents, `[pictures, channels of the first block, …]`. */
function conditioningEmbedding(
  n: NetworkBuilder,
  picture: Value,
  w: WeightScope,
  { conditioningChannels, conditioningEmbeddingChannels: widths, channelOrder, downBlocks }: ControlNetConfig,
): Value {
  const convolve = (x: Value, module: string, inChannels: number, outChannels: number, stride = 1) =>
    conv2d(n, x, w.at(module), { inChannels, outChannels, kernel: 3, stride });
  const silu = (x: Value) => activate(n, x, 'silu');
  let inChannels = widths[0]!;
  let x = channelOrder === 'rgb' ? picture : reverseChannels(n, picture, conditioningChannels);
  x = silu(convolve(x, 'conv_in', conditioningChannels, inChannels));
  for (const [i, outChannels] of widths.slice(1).entries()) {
    x = silu(convolve(x, `blocks.${2 * i}`, inChannels, inChannels));
    x = silu(convolve(x, `blocks.${2 * i + 1}`, inChannels, outChannels, 2));
    inChannels = outChannels;
  }
  return convolve(x, 'conv_out', inChannels, downBlocks[0]!.channels);
}

function reverseChannels(n: NetworkBuilder, x: Value, channels: number): Value {
  const reversed = Array.from({ length: channels }, (_, i) => channels - 1 - i);
  return n.op('Gather', [x, n.ints(...reversed)], { axis: 1 });
}
