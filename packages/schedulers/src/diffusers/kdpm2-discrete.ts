// KDPM2DiscreteScheduler and KDPM2AncestralDiscreteScheduler.
import { ancestralStep } from '../ancestral-step.ts';
import { askForDenoised } from '../ask-network.ts';
import { dpm2, dpm2Ancestral } from '../dpm2.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { roundHalfEven } from '../round-half-even.ts';
import { timestepOfSigma } from '../sigma-table.ts';
import type { ConfigReader } from './config-reader.ts';
import { once } from './evaluation-pairs.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass, SchedulerParts } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

function kdpm2(config: ConfigReader, ancestral: boolean): SchedulerParts {
  const noiseSchedule = readNoiseSchedule(config, { betaStart: 0.00085, betaEnd: 0.012 });
  const space = readSigmaSpace(config, noiseSchedule);
  const parameterization = createParameterization(readPredictionType(config), varianceExploding);
  const timestepOf = (sigma: number) => timestepOfSigma(sigma, space.logSigmas);
  /** Where a step is evaluated the second time: halfway to its end in log sigma. */
  const middle = (from: number, to: number) =>
    Math.sqrt(from * (ancestral ? ancestralStep(from, to).sigmaDown : to));
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    ...(ancestral ? { sampleOptions: ['eta', 'sNoise'] } : {}),
    evaluationsPerStep: 2,
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const fed = space.sigmaSpacing === 'karras' ? timesteps.map(roundHalfEven) : timesteps;
      const last = options.sigmas?.at(-1) ?? 0;
      const ends = [...sigmas, last].map(Math.fround);
      const between = fed.flatMap((timestep, i) =>
        i === 0 ? [timestep] : [timestepOf(middle(ends[i - 1]!, ends[i]!)), timestep],
      );
      // As in diffusers: every level after the first twice, and the last once more.
      const listed = [...ends.flatMap((sigma, i) => (i === 0 ? [sigma] : [sigma, sigma])), last];
      return sigmaSpacePlan(space, options, between, listed);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const timesteps = plan.timesteps.filter((_, i) => i % 2 === 0);
      const sigmas = once(plan.sigmas).slice(0, timesteps.length + 1);
      const path = { ops, sample, sigmas, timesteps, timestepOf, beginIndex: beginIndex / 2 };
      const sampler = ancestral ? dpm2Ancestral({ ...path, noise, eta, sNoise }) : dpm2(path);
      // With another amount of noise a step is evaluated elsewhere the second time.
      const fed = plan.timesteps.map((timestep, i) => (eta === 1 || i % 2 === 0 ? timestep : undefined));
      return askForDenoised(sampler, { ops, parameterization, timesteps: ancestral ? fed : plan.timesteps });
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
}

export const kdpm2Discrete: SchedulerClass = (config) => kdpm2(config, false);
export const kdpm2AncestralDiscrete: SchedulerClass = (config) => kdpm2(config, true);
