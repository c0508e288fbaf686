// A T2I-Adapter (Mou et al. 2023), diffusers' T2IAdapter, as a graph.
import { activate, conv2d, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { type AdapterBlock, adapterBlocks, type T2iAdapterConfig } from './t2i-adapter-config.ts';

/**
 * Writes the graph: residual blocks without normalization, each of which gives the features of one resolution.
 *
 * Input, float32: `unshuffled` `[pictures, inChannels · downscaleFactor², height, width]`, see `pixelUnshuffle`. Outputs:
 * `feature_0` and so on, `[pictures, channels, …]`, one for each block.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function t2iAdapter(
  name: string,
  config: T2iAdapterConfig,
  weights: WeightScope,
  dialect: Dialect,
): Model {
  const { adapterType, inChannels, downscaleFactor, channels } = config;
  const n = new NetworkBuilder(name, dialect);
  const w = weights.at('adapter');
  const unshuffled = inChannels * downscaleFactor ** 2;
  let x = n.input('unshuffled', 'float32', ['pictures', unshuffled, 'height', 'width']);
  const isLight = adapterType === 'light_adapter';
  if (!isLight)
    x = conv2d(n, x, w.at('conv_in'), { inChannels: unshuffled, outChannels: channels[0]!, kernel: 3 });
  for (const [i, block] of adapterBlocks(config).entries()) {
    const input = block.halves ? halve(n, x) : x;
    x = (isLight ? lightBlock : fullBlock)(n, input, w.at(`body.${i}`), block, config);
    n.output(`feature_${i}`, x);
  }
  return n.build();
}

/** Means of 2×2 pixels; of an odd row or column, of the pixels that there are. */
const halve = (n: NetworkBuilder, x: Value): Value =>
  n.op('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 });

function fullBlock(
  n: NetworkBuilder,
  input: Value,
  w: WeightScope,
  { inChannels, outChannels }: AdapterBlock,
  { residualBlocks }: T2iAdapterConfig,
): Value {
  let x =
    inChannels === outChannels
      ? input
      : conv2d(n, input, w.at('in_conv'), { inChannels, outChannels, kernel: 1 });
  for (let i = 0; i < residualBlocks; i++) x = residualBlock(n, x, w.at(`resnets.${i}`), outChannels, 1);
  return x;
}

function lightBlock(
  n: NetworkBuilder,
  input: Value,
  w: WeightScope,
  { inChannels, outChannels }: AdapterBlock,
  { residualBlocks }: T2iAdapterConfig,
): Value {
  const inner = Math.floor(outChannels / 4);
  let x = conv2d(n, input, w.at('in_conv'), { inChannels, outChannels: inner, kernel: 1 });
  for (let i = 0; i < residualBlocks; i++) x = residualBlock(n, x, w.at(`resnets.${i}`), inner, 3);
  return conv2d(n, x, w.at('out_conv'), { inChannels: inner, outChannels, kernel: 1 });
}

/** @param kernel of the second convolution */
function residualBlock(n: NetworkBuilder, x: Value, w: WeightScope, channels: number, kernel: 1 | 3): Value {
  const same = { inChannels: channels, outChannels: channels };
  const h = activate(n, conv2d(n, x, w.at('block1'), { ...same, kernel: 3 }), 'relu');
  return n.op('Add', [conv2d(n, h, w.at('block2'), { ...same, kernel }), x]);
}
