// The noise schedule that a model was trained with: betas, and what follows from them (Ho et al. 2020, section 2).
import { linspaceFloat32 } from './linspace.ts';
import { sigmoidFloat32 } from './sigmoid-float32.ts';

/** Named curves of the betas. */
export const betaSchedules = [
  'linear',
  'scaled_linear',
  'squaredcos_cap_v2',
  'sigmoid',
  'laplace',
  'exp',
] as const;
export type BetaSchedule = (typeof betaSchedules)[number];

/** How the betas of a noise schedule are made. */
export interface NoiseScheduleOptions {
  numTrainTimesteps: number;
  betaStart: number;
  betaEnd: number;
  betaSchedule: BetaSchedule;
  /** Betas given one by one, in place of a curve. */
  trainedBetas?: readonly number[] | undefined;
  /** Shift the schedule so that its last timestep holds no signal at all (Lin et al. 2023, algorithm 1). */
  rescaleBetasZeroSnr?: boolean;
  /** The least signal that the last timestep keeps, as a value of `alphasCumprod`. */
  leastAlphaCumprod?: number;
}

/** The tables of a noise schedule, one entry a training timestep; float32, as diffusers has them. */
export interface NoiseSchedule {
  readonly betas: Float32Array;
  /** ᾱ: the share of the data's variance left in the sample, descending. */
  readonly alphasCumprod: Float32Array;
  /** √((1 - ᾱ) / ᾱ): the noise per unit of signal, ascending. */
  readonly sigmas: Float32Array;
}

/** ᾱ(t) of the curves that are given by it, t in [0, 1]. */
const alphaBar = {
  /** Nichol and Dhariwal 2021, eq. 17. */
  squaredcos_cap_v2: (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2,
  /** Hang et al. 2024. */
  laplace(t: number) {
    const logSnr = -0.5 * (t <= 0.5 ? 1 : -1) * Math.log(1 - 2 * Math.abs(0.5 - t) + 1e-6);
    const snr = Math.exp(logSnr);
    return Math.sqrt(snr / (1 + snr));
  },
  exp: (t: number) => Math.exp(t * -12),
};

const maxBeta = 0.999;

function betasOfAlphaBar(curve: (t: number) => number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - curve((i + 1) / count) / curve(i / count), maxBeta),
  );
}

function createBetas({
  betaSchedule,
  betaStart,
  betaEnd,
  numTrainTimesteps,
}: NoiseScheduleOptions): Float32Array {
  switch (betaSchedule) {
    case 'linear':
      return linspaceFloat32(betaStart, betaEnd, numTrainTimesteps);
    case 'scaled_linear':
      return linspaceFloat32(Math.sqrt(betaStart), Math.sqrt(betaEnd), numTrainTimesteps).map(
        (root) => root * root,
      );
    case 'sigmoid': {
      // Xu et al. 2022 (GeoDiff).
      const range = Math.fround(betaEnd - betaStart);
      return linspaceFloat32(-6, 6, numTrainTimesteps).map(
        (x) => Math.fround(sigmoidFloat32(x) * range) + Math.fround(betaStart),
      );
    }
    default:
      return betasOfAlphaBar(alphaBar[betaSchedule], numTrainTimesteps);
  }
}

/** The products of the first elements, accumulated in float64 and rounded to float32 one by one, as torch does. */
function cumulativeProduct(values: Float32Array): Float32Array {
  let product = 1;
  return values.map((value) => {
    product *= value;
    return product;
  });
}

/**
 * Betas whose last ᾱ is 0, with the first kept (Lin et al. 2023, algorithm 1).
 * @param betas one a training timestep; every operation is rounded to float32
 */
export function rescaleZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulativeProduct(betas.map((beta) => 1 - beta)).map(Math.sqrt);
  const [first, last] = [roots[0]!, roots.at(-1)!];
  const scale = Math.fround(first / Math.fround(first - last));
  const shifted = roots.map((root) => Math.fround(root - last) * scale).map((root) => root * root);
  return shifted.map((value, i) => 1 - (i === 0 ? value : Math.fround(value / shifted[i - 1]!)));
}

/** The tables of a noise schedule. */
export function createNoiseSchedule(options: NoiseScheduleOptions): NoiseSchedule {
  const given = options.trainedBetas ? Float32Array.from(options.trainedBetas) : createBetas(options);
  const betas = options.rescaleBetasZeroSnr ? rescaleZeroTerminalSnr(given) : given;
  const alphasCumprod = cumulativeProduct(betas.map((beta) => 1 - beta));
  if (options.leastAlphaCumprod !== undefined)
    alphasCumprod[alphasCumprod.length - 1] = options.leastAlphaCumprod;
  const sigmas = alphasCumprod.map((alpha) => Math.sqrt(Math.fround(Math.fround(1 - alpha) / alpha)));
  return { betas, alphasCumprod, sigmas };
}
