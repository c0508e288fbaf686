// How much signal and how much noise a sample holds: x = alpha · x̂₀ + sigma · noise.

/** One noise level. */
export interface NoiseLevel {
  readonly alpha: number;
  readonly sigma: number;
}

/** A family of noise levels, told apart by one number, the `sigma` of a plan. */
export type NoiseProcess = (sigma: number) => NoiseLevel;

/** Noise is added to the data as it is: alpha is 1 (Karras et al. 2022). */
export const varianceExploding: NoiseProcess = (sigma) => ({ alpha: 1, sigma });

/** The variance stays 1: alpha² + sigma² = 1. Told apart by sigma/alpha, infinite for pure noise (Ho et al. 2020). */
export const variancePreserving: NoiseProcess = (ratio) => {
  const alpha = 1 / Math.sqrt(ratio * ratio + 1);
  return { alpha, sigma: alpha === 0 ? 1 : ratio * alpha };
};

/** A straight line from data to noise: alpha + sigma = 1 (Liu et al. 2022). */
export const rectifiedFlow: NoiseProcess = (sigma) => ({ alpha: 1 - sigma, sigma });

/** λ: half the logarithm of the signal-to-noise ratio, ascending while a picture is made. */
export function halfLogSnr({ alpha, sigma }: NoiseLevel): number {
  return Math.log(alpha) - Math.log(sigma);
}
