// What all schedulers have in common, over the parts that the classes differ in.
import { cpuOps, InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { withoutVariance } from './ask-network.ts';
import { assertSteps } from './assert-arguments.ts';
import { computeQuestions, deferredOps } from './deferred-ops.ts';
import type { ConfigReader } from './diffusers/config-reader.ts';
import type { SchedulerParts } from './diffusers/scheduler-parts.ts';
import type { NoiseLevel } from './noise-level.ts';
import type { Noise } from './sampler.ts';
import {
  type AddNoiseOptions,
  type Plan,
  type PlanOptions,
  type SampleOptions,
  type SamplerSetting,
  type Scheduler,
  samplerSettings,
} from './scheduler.ts';

/** A scheduler of what its class has read from a config, with every argument checked. */
export function schedulerFromParts(
  { className, unusedKeys }: ConfigReader,
  parts: SchedulerParts,
): Scheduler {
  const { parameterization, sampleOptions = [] } = parts;
  return {
    className,
    noiseSchedule: parts.noiseSchedule,
    unusedKeys,
    sampleOptions,
    evaluationsPerStep: parts.evaluationsPerStep ?? 1,
    wantsNegativeOutput: parts.wantsNegativeOutput ?? false,
    plan(options) {
      assertPlanOptions(className, parts, options);
      return parts.plan(options);
    },
    sample(options) {
      assertSampleOptions(className, parts, options);
      const { beginIndex = 0, noise = missingNoise(className) } = options;
      const ops = deferredOps(options.ops);
      return computeQuestions(parts.sample({ ...options, ops, beginIndex, noise }), options.reuseStates);
    },
    addNoise: (options) => mixNoise(className, parts, options, ({ alpha, sigma }) => [alpha, sigma]),
    velocity: (options) =>
      mixNoise(className, parts, options, ({ alpha, sigma }) => {
        const scale = Math.hypot(alpha, sigma);
        return [-sigma / scale, alpha / scale];
      }),
    noisedAt({ question: { sigma: level }, sample, noise, ops }) {
      const { alpha, sigma } = parameterization.process(level);
      const state = ops.combine([alpha, sample], [sigma, noise]);
      const scale = parameterization.inputScale(level);
      return { state, sample: scale === 1 ? state : ops.combine([scale, state]) };
    },
    denoised(options) {
      if (parts.denoised) return parts.denoised(options);
      const { ops, question, modelOutput } = options;
      const output = withoutVariance(ops, modelOutput, question.state);
      return parameterization.denoised(ops, output, question.state, question.sigma);
    },
  };
}

function missingNoise(className: string): Noise {
  return () => {
    throw new InvalidArgumentError(
      `${className}: the sampler adds noise, and sample was given none. Give it noise: (dims) => rng.normal(dims).`,
    );
  };
}

const lists = ['timesteps', 'sigmas'] as const;

function assertPlanOptions(
  className: string,
  { planOptions, addsLastSigma = false }: SchedulerParts,
  options: PlanOptions,
): void {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name] of given) {
    if (!planOptions.some((known) => known === name)) {
      throw new InvalidArgumentError(
        `${className}: plan does not take "${name}". It takes ${planOptions.join(', ')}.`,
      );
    }
  }
  const ways = planOptions.filter(
    (name) => name === 'numInferenceSteps' || name === 'timesteps' || name === 'sigmas',
  );
  const taken = ways.filter((name) => options[name] !== undefined);
  if (taken.length !== 1) {
    throw new InvalidArgumentError(
      `${className}: plan was given ${taken.length === 0 ? 'no steps' : taken.join(' and ')}. Give ${ways.length === 1 ? ways[0] : `one of ${ways.join(', ')}`}.`,
    );
  }
  const { numInferenceSteps } = options;
  if (numInferenceSteps !== undefined) assertSteps(className, 'numInferenceSteps', numInferenceSteps);
  for (const name of lists) {
    const least = name === 'sigmas' && !addsLastSigma ? 2 : 1;
    if (options[name]) assertDescending(className, name, options[name], least);
  }
}

function assertDescending(className: string, name: string, values: readonly number[], least: number): void {
  const isWrong = (value: number, i: number) =>
    !Number.isFinite(value) ||
    value < 0 ||
    (i > 0 && value >= values[i - 1]!) ||
    (name === 'sigmas' && i === 0 && value === 0);
  const wrong = values.findIndex(isWrong);
  if (values.length >= least && wrong < 0) return;
  throw new InvalidArgumentError(
    `${className}: ${name} has ${wrong < 0 ? `${values.length} entries` : `${values[wrong]} at place ${wrong}`}. Give ${least > 1 ? `at least ${least} ` : ''}descending numbers, none below 0.`,
  );
}

function assertSampleOptions(className: string, parts: SchedulerParts, options: SampleOptions): void {
  const { plan, beginIndex = 0 } = options;
  const { sampleOptions = [], evaluationsPerStep = 1 } = parts;
  for (const name of samplerSettings) {
    if (options[name] !== undefined && !sampleOptions.includes(name)) {
      const takes =
        sampleOptions.length > 0 ? `It takes ${sampleOptions.join(', ')}` : 'It takes no such options';
      throw new InvalidArgumentError(`${className}: sample does not take "${name}". ${takes}.`);
    }
  }
  for (const name of [
    'eta',
    'sNoise',
    'sChurn',
    'sTmin',
    'sTmax',
  ] as const satisfies readonly SamplerSetting[]) {
    const value = options[name];
    if (value !== undefined && !(value >= 0)) {
      throw new InvalidArgumentError(`${className}: ${name} is ${value}. Give a number of at least 0.`);
    }
  }
  if (
    !Number.isInteger(beginIndex) ||
    beginIndex < 0 ||
    beginIndex >= plan.timesteps.length ||
    beginIndex % evaluationsPerStep !== 0
  ) {
    const every = evaluationsPerStep > 1 ? ` that is a multiple of ${evaluationsPerStep}` : '';
    throw new InvalidArgumentError(
      `${className}: beginIndex is ${beginIndex}, the plan has ${plan.timesteps.length} timesteps. Give a whole number below that${every}.`,
    );
  }
}

/** The noise level at a timestep; the second of two entries of a plan at one timestep, as diffusers takes. */
function levelAt(
  className: string,
  parts: SchedulerParts,
  timestep: number,
  plan: Plan | undefined,
): NoiseLevel {
  const { process } = parts.parameterization;
  if (!plan || parts.noisesByTimestep) {
    const sigma = parts.sigmaAt(timestep, plan);
    if (Number.isNaN(sigma) || sigma === undefined) {
      throw new InvalidArgumentError(
        `${className}: timestep ${timestep} is not one of the model's. Give a timestep of the training schedule, or the plan that it is from.`,
      );
    }
    return process(sigma);
  }
  const first = plan.timesteps.indexOf(timestep);
  const second = plan.timesteps.indexOf(timestep, first + 1);
  if (first < 0) {
    throw new InvalidArgumentError(
      `${className}: timestep ${timestep} is not in the plan. Give one of the plan's timesteps.`,
    );
  }
  return process(plan.sigmas[second < 0 ? first : second]!);
}

/** A weighted sum of sample and noise, with the weights of each sample's noise level. */
function mixNoise(
  className: string,
  parts: SchedulerParts,
  options: AddNoiseOptions,
  weights: (level: NoiseLevel) => [sample: number, noise: number],
): Tensor {
  const { sample, noise, ops = cpuOps, plan } = options;
  const mix = (level: NoiseLevel, x: Tensor, n: Tensor) => {
    const [a, b] = weights(level);
    return ops.combine([a, x], [b, n]);
  };
  if (options.timestep === undefined) {
    const { beginIndex } = options;
    return mix(parts.parameterization.process(options.plan.sigmas[beginIndex]!), sample, noise);
  }
  const { timestep } = options;
  if (typeof timestep === 'number') return mix(levelAt(className, parts, timestep, plan), sample, noise);
  if (timestep.length !== sample.dims[0]) {
    throw new InvalidArgumentError(
      `${className}: ${timestep.length} timesteps for a batch of ${sample.dims[0]}. Give one a sample, or one for all.`,
    );
  }
  return ops.concat(
    timestep.map((t, i) =>
      mix(levelAt(className, parts, t, plan), ops.slice(sample, i, i + 1), ops.slice(noise, i, i + 1)),
    ),
  );
}
