// What a network's output means, and x̂₀ and the noise that follow from it.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import { type Limit, limitDenoised } from './limit-denoised.ts';
import { type NoiseLevel, type NoiseProcess, varianceExploding } from './noise-level.ts';

/**
 * `epsilon`: the noise (Ho et al. 2020). `sample`: x̂₀. `v_prediction`: alpha · noise - sigma · x̂₀ at unit variance
 * (Salimans and Ho 2022). `flow_prediction`: noise - x̂₀ (Liu et al. 2022).
 */
export const predictionTypes = ['epsilon', 'sample', 'v_prediction', 'flow_prediction'] as const;
export type PredictionType = (typeof predictionTypes)[number];

/** A network's output, with the state that it answers to and that state's noise level. */
export interface NetworkAnswer {
  ops: TensorOps;
  predictionType: PredictionType;
  modelOutput: Tensor;
  sample: Tensor;
  level: NoiseLevel;
}

/** x̂₀ from a network's output. The state may be scaled in any way that `level` describes. */
export function denoisedFrom({ ops, predictionType, modelOutput, sample, level }: NetworkAnswer): Tensor {
  const { alpha, sigma } = level;
  switch (predictionType) {
    case 'epsilon':
      return ops.combine([1 / alpha, sample], [-sigma / alpha, modelOutput]);
    case 'sample':
      return modelOutput;
    case 'v_prediction': {
      const power = alpha ** 2 + sigma ** 2;
      return ops.combine([alpha / power, sample], [-sigma / Math.sqrt(power), modelOutput]);
    }
    case 'flow_prediction':
      return ops.combine([1 / (alpha + sigma), sample], [-sigma / (alpha + sigma), modelOutput]);
  }
}

/** The noise from a network's output. */
export function noiseFrom({ ops, predictionType, modelOutput, sample, level }: NetworkAnswer): Tensor {
  const { alpha, sigma } = level;
  switch (predictionType) {
    case 'epsilon':
      return modelOutput;
    case 'sample':
      return noiseOf({ ops, denoised: modelOutput, sample, level });
    case 'v_prediction': {
      const power = alpha ** 2 + sigma ** 2;
      return ops.combine([sigma / power, sample], [alpha / Math.sqrt(power), modelOutput]);
    }
    case 'flow_prediction':
      return ops.combine([1 / (alpha + sigma), sample], [alpha / (alpha + sigma), modelOutput]);
  }
}

/** The noise that is left of a sample when x̂₀ is known. */
export function noiseOf(known: {
  ops: TensorOps;
  denoised: Tensor;
  sample: Tensor;
  level: NoiseLevel;
}): Tensor {
  const { alpha, sigma } = known.level;
  return known.ops.combine([1 / sigma, known.sample], [-alpha / sigma, known.denoised]);
}

/** How a network and a sampler talk: what the levels mean, how the input is scaled, what the output is. */
export interface Parameterization {
  readonly process: NoiseProcess;
  /** Factor of the network's input. */
  inputScale(sigma: number): number;
  /** x̂₀, within its limit. */
  denoised(ops: TensorOps, modelOutput: Tensor, sample: Tensor, sigma: number): Tensor;
  /** The noise of the output itself, without a limit. */
  noise(ops: TensorOps, modelOutput: Tensor, sample: Tensor, sigma: number): Tensor;
}

/** The parameterization of a network that sees samples at variance 1, or, with the rectified flow, as they are. */
export function createParameterization(
  predictionType: PredictionType,
  process: NoiseProcess,
  limit: Limit = { kind: 'none' },
): Parameterization {
  return {
    process,
    inputScale: (sigma) => (process === varianceExploding ? 1 / Math.sqrt(sigma ** 2 + 1) : 1),
    denoised(ops, modelOutput, sample, sigma) {
      const answer = { ops, predictionType, modelOutput, sample, level: process(sigma) };
      return limitDenoised(ops, denoisedFrom(answer), limit);
    },
    noise: (ops, modelOutput, sample, sigma) =>
      noiseFrom({ ops, predictionType, modelOutput, sample, level: process(sigma) }),
  };
}

/** What a network of Karras et al. (2022) predicts: F, of which x̂₀ is made with the data's deviation, or -F. */
export const edmPredictionTypes = ['epsilon', 'v_prediction'] as const;
export type EdmPredictionType = (typeof edmPredictionTypes)[number];

/**
 * The preconditioning of Karras et al. (2022), table 1: x̂₀ = c_skip x + c_out F(c_in x).
 * @param sigmaData standard deviation of the data
 */
export function createEdmParameterization(
  predictionType: EdmPredictionType,
  sigmaData: number,
  limit: Limit = { kind: 'none' },
): Parameterization {
  const denoised: Parameterization['denoised'] = (ops, modelOutput, sample, sigma) => {
    const power = sigma ** 2 + sigmaData ** 2;
    const sign = predictionType === 'epsilon' ? 1 : -1;
    const out = (sign * sigma * sigmaData) / Math.sqrt(power);
    return limitDenoised(ops, ops.combine([sigmaData ** 2 / power, sample], [out, modelOutput]), limit);
  };
  return {
    process: varianceExploding,
    inputScale: (sigma) => 1 / Math.sqrt(sigma ** 2 + sigmaData ** 2),
    denoised,
    noise: (ops, modelOutput, sample, sigma) =>
      noiseOf({
        ops,
        denoised: denoised(ops, modelOutput, sample, sigma),
        sample,
        level: varianceExploding(sigma),
      }),
  };
}
