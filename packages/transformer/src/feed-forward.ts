// Linear, GELU (by its tanh), linear: what each token goes through alone.
import { activate, linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';

/** diffusers' FeedForward with `gelu-approximate`, four times as wide inside. */
export function feedForward(n: NetworkBuilder, x: Value, w: WeightScope, features: number): Value {
  const inner = 4 * features;
  const widened = linear(n, x, w.at('net.0.proj'), { inFeatures: features, outFeatures: inner });
  return linear(n, activate(n, widened, 'gelu_new'), w.at('net.2'), {
    inFeatures: inner,
    outFeatures: features,
  });
}
