// Adaptive layer normalization (Peebles and Xie 2023, "Scalable diffusion models with transformers", adaLN-Zero): scales,
// shifts and gates that a linear layer makes of the conditions.
import { activate, linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import { float, type Value } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';

/** Writes the norms of one transformer: all have the same features and no weights of their own. */
export class Modulation {
  readonly #n: NetworkBuilder;
  readonly #features: number;
  readonly #activated: Value;
  readonly #ones: Value;

  /** @param conditions time and text in one vector, `[batch, features]` */
  constructor(n: NetworkBuilder, conditions: Value, features: number) {
    this.#n = n;
    this.#features = features;
    this.#activated = activate(n, conditions, 'silu');
    this.#ones = n.constant(tensor(new Float32Array(features).fill(1), [features]));
  }

  /** `count` vectors that the layer at `w` makes of the conditions, each `[batch, 1, features]`. */
  vectors(w: WeightScope, count: number): Value[] {
    const n = this.#n;
    const outFeatures = count * this.#features;
    const all = linear(n, this.#activated, w.at('linear'), { inFeatures: this.#features, outFeatures });
    const attributes = { axis: -1, num_outputs: count };
    return n.ops('Split', [n.op('Unsqueeze', [all, n.ints(1)])], attributes, { outputs: count });
  }

  /** Layer normalization of `[batch, sequence, features]`, without weights. */
  normalize(x: Value): Value {
    return this.#n.op('LayerNormalization', [x, this.#ones], { axis: -1, epsilon: float(1e-6) });
  }

  /** `normalized · (1 + scale) + shift` */
  modulate(normalized: Value, scale: Value, shift: Value): Value {
    const n = this.#n;
    return n.op('Add', [n.op('Mul', [normalized, n.op('Add', [scale, n.scalar(1)])]), shift]);
  }

  /** A norm whose layer gives scale and shift alone, diffusers' AdaLayerNormContinuous. */
  continuous(x: Value, w: WeightScope): Value {
    const [scale, shift] = this.vectors(w, 2);
    return this.modulate(this.normalize(x), scale!, shift!);
  }

  /** `x + gate · change` */
  addGated(x: Value, gate: Value, change: Value): Value {
    return this.#n.op('Add', [x, this.#n.op('Mul', [gate, change])]);
  }
}
