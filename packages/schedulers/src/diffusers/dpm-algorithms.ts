// The algorithms of the DPM-Solver family, and the keys of the classes that have them.
import type { TensorOps } from '@emulsion/tensor';
import { askForDenoised, askNetwork, withoutVariance } from '../ask-network.ts';
import {
  dataIntegrator,
  dpmSolverTypes,
  type ExponentialIntegrator,
  noiseIntegrator,
  stochasticDataIntegrator,
  stochasticNoiseIntegrator,
} from '../exponential-step.ts';
import type { Limit } from '../limit-denoised.ts';
import { noiseOf, type Parameterization } from '../parameterization.ts';
import type { Sampler } from '../sampler.ts';
import type { NetworkSampler, SamplerSetting } from '../scheduler.ts';
import type { ConfigReader } from './config-reader.ts';

/** An algorithm: what its answers are, and its weights in steps of several answers or of several stages. */
interface Algorithm {
  readonly answers: 'denoised' | 'noise';
  readonly stochastic: boolean;
  /** The weights, for an amount of noise: 1 if the algorithm's own. */
  readonly integrator: (eta: number) => ExponentialIntegrator;
}

/** As in diffusers, the second derivative's weight lacks a term. */
const stochasticDataAsDiffusers =
  (eta: number): ExponentialIntegrator =>
  (from, to) => {
    const step = stochasticDataIntegrator(from, to, eta);
    return { ...step, curvature: step.curvature - to.alpha };
  };

/** Algorithms by the name that a config has for them. */
const algorithms = {
  'dpmsolver++': { answers: 'denoised', stochastic: false, integrator: () => dataIntegrator },
  dpmsolver: { answers: 'noise', stochastic: false, integrator: () => noiseIntegrator },
  'sde-dpmsolver++': { answers: 'denoised', stochastic: true, integrator: stochasticDataAsDiffusers },
  'sde-dpmsolver': { answers: 'noise', stochastic: true, integrator: () => stochasticNoiseIntegrator },
} as const satisfies Record<string, Algorithm>;
export type DpmAlgorithm = keyof typeof algorithms;

/** The keys about the solver; the first of the algorithms that the class has is the default. */
export function readDpmSolver(
  config: ConfigReader,
  available: readonly [DpmAlgorithm, ...DpmAlgorithm[]],
  maxOrder: 2 | 3 = 3,
) {
  // Names of other solvers stand for the default, so that configs can be exchanged between the classes.
  const asked = config.oneOf('algorithm_type', [...available, 'deis' as const], available[0]);
  const name = asked === 'deis' ? available[0] : asked;
  const type = config.oneOf('solver_type', [...dpmSolverTypes, 'logrho', 'bh1', 'bh2'] as const, 'midpoint');
  const order = config.integer('solver_order', 2, 1);
  if (order > maxOrder) {
    config.contradiction(
      ['solver_order'],
      `"solver_order" is ${order}, the solver has orders up to ${maxOrder}. Choose one of those.`,
    );
  }
  if (name === 'sde-dpmsolver' && order === 3) {
    config.contradiction(
      ['algorithm_type', 'solver_order'],
      '"algorithm_type" is "sde-dpmsolver", which has orders 1 and 2, and "solver_order" is 3. Take 2, or "sde-dpmsolver++".',
    );
  }
  // The integer is at least 1 and at most 3.
  return {
    ...algorithms[name],
    name,
    /** Options of `sample` that the algorithm has. */
    sampleOptions: sampleOptionsOf(name),
    solverType: dpmSolverTypes.find((known) => known === type) ?? 'midpoint',
    order: order as 1 | 2 | 3,
  };
}

/** The amount of noise can be changed where the noise is that of a diffusion in terms of x̂₀. */
function sampleOptionsOf(name: DpmAlgorithm): readonly SamplerSetting[] {
  if (!algorithms[name].stochastic) return [];
  return name === 'sde-dpmsolver++' ? ['eta', 'sNoise'] : ['sNoise'];
}

/** Where the last step ends; the algorithms whose answers are the noise can't end without any. */
export function readFinalSigmas(config: ConfigReader, { answers, name }: { answers: string; name: string }) {
  const finalSigmas = config.oneOf('final_sigmas_type', ['zero', 'sigma_min'], 'zero');
  if (answers === 'noise' && finalSigmas === 'zero') {
    config.contradiction(
      ['algorithm_type', 'final_sigmas_type'],
      `"algorithm_type" is "${name}", which can't end without noise, and "final_sigmas_type" is "zero". Set it to "sigma_min", or take "dpmsolver++".`,
    );
  }
  return finalSigmas;
}

/** The variances of DDPM; a config that was made for that, or for DDIM, names one. */
const varianceTypes = [
  'fixed_small',
  'fixed_small_log',
  'fixed_large',
  'fixed_large_log',
  'learned',
  'learned_range',
] as const;

/** Whether the network predicts a variance as well, of which these samplers have no use. */
export function readLearnedVariance(config: ConfigReader): boolean {
  return config.optionalOneOf('variance_type', varianceTypes)?.startsWith('learned') ?? false;
}

export interface AskSolverOptions {
  ops: TensorOps;
  answers: 'denoised' | 'noise';
  parameterization: Parameterization;
  limit: Limit;
  learnedVariance?: boolean;
}

/** Asks for what the solver takes; the noise is that of x̂₀ within its limit, where there is one. */
export function askForSolver(sampler: Sampler, options: AskSolverOptions): NetworkSampler {
  const { ops, answers, parameterization, limit, learnedVariance = false } = options;
  if (answers === 'denoised') return askForDenoised(sampler, { ops, parameterization, learnedVariance });
  return askNetwork({
    ops,
    sampler,
    learnedVariance,
    inputScale: parameterization.inputScale,
    toAnswer(modelOutput, { sample, sigma }) {
      const output = withoutVariance(ops, modelOutput, sample);
      if (limit.kind === 'none') return parameterization.noise(ops, output, sample, sigma);
      const denoised = parameterization.denoised(ops, output, sample, sigma);
      return noiseOf({ ops, denoised, sample, level: parameterization.process(sigma) });
    },
  });
}
