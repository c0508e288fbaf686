// What the U-Net of every contender is asked: one picture of 512×512 pixels.
import { createRng, type Tensor } from '@emulsion/tensor';

export interface Inputs {
  readonly sample: Tensor;
  readonly timestep: number;
  readonly encoderHiddenStates: Tensor;
}

/** The same numbers each time. */
export function inputs(): Inputs {
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  return {
    sample: rng.normal([1, 4, 64, 64]),
    timestep: 500,
    encoderHiddenStates: rng.normal([1, 77, 768]),
  };
}
