// Activation functions, by the names that configurations use.
import { float, type Value } from '@emulsion/onnx';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { NetworkBuilder } from './network-builder.ts';

type Activation = (n: NetworkBuilder, x: Value) => Value;

/** x · sigmoid(αx): SiLU for α = 1, CLIP's approximation of GELU for α = 1.702. */
const sigmoidGate =
  (alpha: number): Activation =>
  (n, x) =>
    n.op('QuickGelu', [x], { alpha: float(alpha) }, { domain: 'com.microsoft' });

const activations: Readonly<Record<string, Activation>> = {
  silu: sigmoidGate(1),
  swish: sigmoidGate(1),
  quick_gelu: sigmoidGate(1.702),
  gelu: (n, x) => n.op('Gelu', [x]),
  gelu_new: (n, x) => n.op('Gelu', [x], { approximate: 'tanh' }),
  relu: (n, x) => n.op('Relu', [x]),
};

/**
 * Applies an activation function.
 * @param name as in a config.json: silu, quick_gelu, gelu, …
 * @throws {InvalidArgumentError} if there is none of that name
 */
export function activate(n: NetworkBuilder, x: Value, name: string): Value {
  const activation = Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (!activation) {
    throw new InvalidArgumentError(
      `activation: "${name}" is not one of ${Object.keys(activations).join(', ')}. This model is not supported.`,
    );
  }
  return activation(n, x);
}
