// SEEDS: exponential solvers of the reverse-time diffusion, without derivatives (Gonzalez et al. 2023).
import type { Tensor, Term } from '@emulsion/tensor';
import type { MidpointOptions } from './dpm2.ts';
import type { Sampler, StochasticOptions } from './sampler.ts';

export interface SeedsOptions extends MidpointOptions, StochasticOptions {
  /** Amount of noise: 1 is that of the reverse-time diffusion, 0 none. */
  eta?: number;
}

export interface Seeds2Options extends SeedsOptions {
  /** Where the second evaluation is: a part of the step in log sigma. */
  r?: number;
  /** How the answers are weighted: `phi1` as in DPM-Solver++ (2S), `phi2` so that their slope is integrated exactly. */
  weighting?: 'phi1' | 'phi2';
}

/** h φ₁(h) and h φ₂(h) of exponential integrators. */
const phi1 = (h: number) => Math.expm1(h);
const phi2 = (h: number) => (Math.expm1(h) - h) / h;

/** Weights of one path of noise over the levels of a step: what was drawn before is scaled, what is new is added. */
class StepNoise {
  readonly #draw: StochasticOptions['noise'];
  readonly #exponent: number;
  #terms: Term[] = [];
  #at = 0;

  /** @param exponent η h of the step */
  constructor(draw: StochasticOptions['noise'], exponent: number) {
    this.#draw = draw;
    this.#exponent = exponent;
  }

  /** The noise at a part `r` of the step, at levels `from` to `to`, times `factor`. */
  at(r: number, dims: readonly number[], from: number, to: number, factor: number): Term[] {
    if (this.#exponent === 0) return [];
    const segment = (r - this.#at) * this.#exponent;
    const kept = this.#terms.map(([weight, noise]): Term => [weight * Math.exp(-segment), noise]);
    this.#terms = [...kept, [Math.sqrt(-Math.expm1(-2 * segment)), this.#draw(dims, { from, to })]];
    this.#at = r;
    return this.#terms.map(([weight, noise]): Term => [weight * factor, noise]);
  }
}

/**
 * SEEDS-2: two evaluations a step but for the last; stochastic, variance exploding. With `r` 1 and `phi2` it is the
 * exponential Heun method. `step` of its questions counts evaluations.
 */
export function* seeds2(options: Seeds2Options): Sampler {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  const { r = 1 / 2, weighting = 'phi1' } = options;
  let { sample } = options;
  for (let index = beginIndex; index < timesteps.length; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    const denoised: Tensor = yield { step: 2 * index, timestep: timesteps[index]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const h = Math.log(sigma / sigmaNext);
    const stepNoise = new StepNoise(noise, eta * h);
    const middleSigma = r === 1 ? sigmaNext : sigma ** (1 - r) * sigmaNext ** r;
    const middle = ops.combine(
      [(middleSigma / sigma) * Math.exp(-r * h * eta), sample],
      [-phi1(-r * h * (1 + eta)), denoised],
      ...stepNoise.at(r, sample.dims, sigma, middleSigma, middleSigma * sNoise),
    );
    const question = {
      step: 2 * index + 1,
      timestep: timestepOf(middleSigma),
      sigma: middleSigma,
      sample: middle,
    };
    const answer: Tensor = yield question;
    const full = h * (1 + eta);
    const second = weighting === 'phi2' ? -phi2(-full) / r : -phi1(-full) / (2 * r);
    sample = ops.combine(
      [(sigmaNext / sigma) * Math.exp(-h * eta), sample],
      [-phi1(-full) - second, denoised],
      [second, answer],
      ...stepNoise.at(1, sample.dims, middleSigma, sigmaNext, sigmaNext * sNoise),
    );
  }
  return sample;
}

/** SEEDS-3: three evaluations a step but for the last; stochastic, variance exploding. */
export function* seeds3(options: SeedsOptions): Sampler {
  const { ops, sigmas, timesteps, timestepOf, noise, eta = 1, sNoise = 1, beginIndex = 0 } = options;
  const [r1, r2] = [1 / 3, 2 / 3];
  let { sample } = options;
  for (let index = beginIndex; index < timesteps.length; index++) {
    const [sigma, sigmaNext] = [sigmas[index]!, sigmas[index + 1]!];
    const denoised: Tensor = yield { step: 3 * index, timestep: timesteps[index]!, sigma, sample };
    if (sigmaNext === 0) {
      sample = denoised;
      continue;
    }
    const h = Math.log(sigma / sigmaNext);
    const full = h * (1 + eta);
    const stepNoise = new StepNoise(noise, eta * h);
    const [sigma1, sigma2] = [r1, r2].map((r) => sigma ** (1 - r) * sigmaNext ** r) as [number, number];
    const u1 = ops.combine(
      [(sigma1 / sigma) * Math.exp(-r1 * h * eta), sample],
      [-phi1(-r1 * full), denoised],
      ...stepNoise.at(r1, sample.dims, sigma, sigma1, sigma1 * sNoise),
    );
    const first: Tensor = yield {
      step: 3 * index + 1,
      timestep: timestepOf(sigma1),
      sigma: sigma1,
      sample: u1,
    };
    const bend = (-r2 / r1) * phi2(-r2 * full);
    const u2 = ops.combine(
      [(sigma2 / sigma) * Math.exp(-r2 * h * eta), sample],
      [-phi1(-r2 * full) - bend, denoised],
      [bend, first],
      ...stepNoise.at(r2, sample.dims, sigma1, sigma2, sigma2 * sNoise),
    );
    const second: Tensor = yield {
      step: 3 * index + 2,
      timestep: timestepOf(sigma2),
      sigma: sigma2,
      sample: u2,
    };
    const slope = -phi2(-full) / r2;
    sample = ops.combine(
      [(sigmaNext / sigma) * Math.exp(-h * eta), sample],
      [-phi1(-full) - slope, denoised],
      [slope, second],
      ...stepNoise.at(1, sample.dims, sigma2, sigmaNext, sigmaNext * sNoise),
    );
  }
  return sample;
}
