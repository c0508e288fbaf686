// The tiny autoencoder (TAESD, Boer Bohan 2023), diffusers' AutoencoderTiny, as two graphs: no norms and no attention.
import {
  activate,
  type Conv2dShape,
  conv2d,
  enlargingConv2d,
  NetworkBuilder,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { TinyVaeConfig } from './tiny-vae-config.ts';

/**
 * The encoder: `image` `[batch, inChannels, height, width]` in [-1, 1] to `latents`
 * `[batch, latentChannels, height/scale, width/scale]`.
 */
export function tinyEncoder(
  name: string,
  config: TinyVaeConfig,
  weights: WeightScope,
  dialect: Dialect,
): Model {
  const { inChannels, latentChannels, channels, encoderBlocks, activation } = config;
  const square = { inChannels: channels, outChannels: channels, kernel: 3 };
  const n = new NetworkBuilder(name, dialect);
  const layers = numbered(weights.at('encoder.layers'));
  const image = n.input('image', 'float32', ['batch', inChannels, 'height', 'width']);
  // The network takes [0, 1].
  let x = n.op('Mul', [n.op('Add', [image, n.scalar(1)]), n.scalar(0.5)]);
  x = conv2d(n, x, layers.next(), { inChannels, outChannels: channels, kernel: 3 });
  for (const [i, blocks] of encoderBlocks.entries()) {
    if (i > 0) x = conv2d(n, x, layers.next(), { ...square, stride: 2, bias: false });
    for (let block = 0; block < blocks; block++) x = tinyBlock(n, x, layers.next(), square, activation);
  }
  n.output(
    'latents',
    conv2d(n, x, layers.next(), { inChannels: channels, outChannels: latentChannels, kernel: 3 }),
  );
  return n.build();
}

/**
 * The decoder: `latents` `[batch, latentChannels, height, width]` to `image`
 * `[batch, outChannels, height·scale, width·scale]` in about [-1, 1].
 */
export function tinyDecoder(
  name: string,
  config: TinyVaeConfig,
  weights: WeightScope,
  dialect: Dialect,
): Model {
  const { outChannels, latentChannels, channels, decoderBlocks, activation } = config;
  const square = { inChannels: channels, outChannels: channels, kernel: 3 };
  const n = new NetworkBuilder(name, dialect);
  const layers = numbered(weights.at('decoder.layers'));
  const latents = n.input('latents', 'float32', ['batch', latentChannels, 'height', 'width']);
  // Latents far out are limited, softly, to ±3.
  let x = n.op('Mul', [n.op('Tanh', [n.op('Mul', [latents, n.scalar(1 / 3)])]), n.scalar(3)]);
  x = conv2d(n, x, layers.next(), { inChannels: latentChannels, outChannels: channels, kernel: 3 });
  layers.next(); // the activation has a number too
  x = activate(n, x, activation);
  for (const [i, blocks] of decoderBlocks.entries()) {
    if (i > 0) {
      layers.next(); // and so has the enlarging
      x = enlargingConv2d(n, x, layers.next(), { ...square, bias: false });
    }
    for (let block = 0; block < blocks; block++) x = tinyBlock(n, x, layers.next(), square, activation);
  }
  x = conv2d(n, x, layers.next(), { inChannels: channels, outChannels, kernel: 3 });
  n.output('image', n.op('Sub', [n.op('Mul', [x, n.scalar(2)]), n.scalar(1)]));
  return n.build();
}

/** The layers of a sequence, by their numbers. */
function numbered(w: WeightScope): { next(): WeightScope } {
  let count = 0;
  return { next: () => w.at(String(count++)) };
}

/** Three convolutions and a way around them. */
function tinyBlock(
  n: NetworkBuilder,
  x: Value,
  w: WeightScope,
  shape: Conv2dShape,
  activation: string,
): Value {
  const conv = (from: Value, layer: number) => conv2d(n, from, w.at(`conv.${layer}`), shape);
  const first = activate(n, conv(x, 0), activation);
  const second = activate(n, conv(first, 2), activation);
  return n.op('Relu', [n.op('Add', [conv(second, 4), x])]);
}
