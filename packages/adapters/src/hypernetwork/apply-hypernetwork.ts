// A hypernetwork evaluated in plain loops: the definition that graphs are held to, and enough for one prompt.
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import { evaluateActivation } from './activations.ts';
import {
  type HypernetworkLayer,
  type HypernetworkLayerNorm,
  type HypernetworkLinear,
  layerNormEpsilon,
} from './hypernetwork.ts';

/**
 * `context + strength · network(context)`, summed in float64.
 * @param layers the network for keys or values of the context's width
 * @param context `[..., width]`
 * @param strength 1 unless said otherwise
 * @throws {ShapeError} if the network is for another width
 */
export function applyHypernetwork(
  layers: readonly HypernetworkLayer[],
  context: Tensor,
  strength = 1,
): Tensor {
  const width = context.dims.at(-1) ?? 0;
  const first = layers.find((layer) => layer.kind === 'linear');
  const wanted = first?.weight.dims[1] ?? width;
  if (width !== wanted) {
    throw new ShapeError(
      `hypernetwork: the context is [${context.dims.join(', ')}], this network takes [..., ${wanted}]. Take the network for the context's width.`,
    );
  }
  const changed = Float32Array.from(context.data);
  for (let start = 0; start < changed.length; start += width) {
    let x = Float64Array.from(context.data.subarray(start, start + width));
    for (const layer of layers) x = evaluateLayer(layer, x);
    for (let i = 0; i < width; i++) changed[start + i] = context.data[start + i]! + strength * x[i]!;
  }
  return tensor(changed, context.dims);
}

/** One layer for one token. */
function evaluateLayer(layer: HypernetworkLayer, x: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  switch (layer.kind) {
    case 'linear':
      return linear(layer, x);
    case 'layerNorm':
      return layerNorm(layer, x);
    case 'activation': {
      const slope = layer.weight?.data[0];
      const evaluate = evaluateActivation[layer.name];
      return x.map((value) => (slope !== undefined && value < 0 ? slope * value : evaluate(value)));
    }
  }
}

function linear({ weight, bias }: HypernetworkLinear, x: Float64Array): Float64Array<ArrayBuffer> {
  return Float64Array.from(bias.data, (offset, row) => {
    let sum = offset;
    for (let i = 0; i < x.length; i++) sum += weight.data[row * x.length + i]! * x[i]!;
    return sum;
  });
}

function layerNorm(
  { weight, bias }: HypernetworkLayerNorm,
  x: Float64Array<ArrayBuffer>,
): Float64Array<ArrayBuffer> {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const deviation = Math.sqrt(variance + layerNormEpsilon);
  return x.map((value, i) => ((value - mean) / deviation) * weight.data[i]! + bias.data[i]!);
}
