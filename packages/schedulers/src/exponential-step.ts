// One step of the DPM-Solvers: the exact solution of the linear part, and the weights of the derivatives of the rest.
import { halfLogSnr, type NoiseLevel } from './noise-level.ts';

/** How the second derivative's place is taken in a step of order 2: both are of that order. */
export const dpmSolverTypes = ['midpoint', 'heun'] as const;
export type DpmSolverType = (typeof dpmSolverTypes)[number];

/** Weights of a step: of the sample, of the answers' value and derivatives (scaled by h), and of added noise. */
export interface ExponentialStep {
  readonly sample: number;
  readonly value: number;
  readonly slope: { readonly [S in DpmSolverType]: number };
  readonly curvature: number;
  readonly noise: number;
}

/** Makes the weights of a step between two noise levels. */
export type ExponentialIntegrator = (from: NoiseLevel, to: NoiseLevel) => ExponentialStep;

/** h, the step in λ; infinite if `to` is free of noise. */
function stepSize(from: NoiseLevel, to: NoiseLevel): number {
  return halfLogSnr(to) - halfLogSnr(from);
}

/** For answers that are `denoised`: DPM-Solver++ (Lu et al. 2022b, eq. 8 and appendix A). */
export const dataIntegrator: ExponentialIntegrator = (from, to) => stochasticDataIntegrator(from, to, 0);

/** For answers that are the noise: DPM-Solver (Lu et al. 2022a, eq. 3.4 and appendix B). */
export const noiseIntegrator: ExponentialIntegrator = (from, to) => {
  const h = stepSize(from, to);
  const growth = Math.expm1(h);
  return {
    sample: to.alpha / from.alpha,
    value: -to.sigma * growth,
    slope: { midpoint: -0.5 * to.sigma * growth, heun: -to.sigma * (growth / h - 1) },
    curvature: -to.sigma * ((growth - h) / h ** 2 - 0.5),
    noise: 0,
  };
};

/**
 * For answers that are `denoised`, with the noise of the reverse-time diffusion: SDE-DPM-Solver++. No noise is added
 * between levels that are the same, or seem to ascend by their rounding.
 * @param eta amount of noise: 1 is the diffusion's, 0 makes it DPM-Solver++
 */
export const stochasticDataIntegrator = (from: NoiseLevel, to: NoiseLevel, eta = 1): ExponentialStep => {
  const step = stepSize(from, to);
  const h = (1 + eta) * step;
  const decay = Math.expm1(-h);
  return {
    sample: (to.sigma / from.sigma) * (eta === 0 ? 1 : Math.exp(-eta * step)),
    value: -to.alpha * decay,
    slope: { midpoint: -0.5 * to.alpha * decay, heun: to.alpha * (decay / h + 1) },
    curvature: -to.alpha * ((decay + h) / h ** 2 - 0.5),
    noise: eta === 0 ? 0 : to.sigma * Math.sqrt(Math.max(0, -Math.expm1(-2 * eta * step))),
  };
};

/** For answers that are the noise, with the noise of the reverse-time diffusion: SDE-DPM-Solver. */
export const stochasticNoiseIntegrator: ExponentialIntegrator = (from, to) => {
  const h = stepSize(from, to);
  const growth = Math.expm1(h);
  return {
    sample: to.alpha / from.alpha,
    value: -2 * to.sigma * growth,
    slope: { midpoint: -to.sigma * growth, heun: -2 * to.sigma * (growth / h - 1) },
    curvature: -2 * to.sigma * ((growth - h) / h ** 2 - 0.5),
    noise: to.sigma * Math.sqrt(Math.max(0, Math.expm1(2 * h))),
  };
};

/**
 * The integrator with half the weight of the second derivative: multistep of order 3 as the authors' code, k-diffusion
 * and diffusers have it, which is of order 2 with a smaller error.
 */
export const halvedCurvature =
  (integrator: ExponentialIntegrator): ExponentialIntegrator =>
  (from, to) => {
    const step = integrator(from, to);
    return { ...step, curvature: step.curvature / 2 };
  };
