// DPMSolverSDEScheduler.
import { askForDenoised } from '../ask-network.ts';
import { dpmSolverSde } from '../dpm-solver-sde.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { timestepOfSigma } from '../sigma-table.ts';
import { once } from './evaluation-pairs.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

export const dpmSolverSdeScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { betaStart: 0.00085, betaEnd: 0.012 });
  const space = readSigmaSpace(config, noiseSchedule);
  const parameterization = createParameterization(readPredictionType(config), varianceExploding);
  const timestepOf = (sigma: number) => timestepOfSigma(sigma, space.logSigmas);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: ['eta', 'sNoise'],
    evaluationsPerStep: 2,
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      const between = timesteps.flatMap((timestep, i) =>
        i === 0 ? [timestep] : [timestepOf(Math.sqrt(sigmas[i - 1]! * sigmas[i]!)), timestep],
      );
      const listed = sigmas.flatMap((sigma, i) => (i === 0 ? [sigma] : [sigma, sigma]));
      return sigmaSpacePlan(space, options, between, [...listed, options.sigmas?.at(-1) ?? 0]);
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = 1, sNoise = 1 }) {
      const sampler = dpmSolverSde({
        ...{ ops, sample, timestepOf, noise, eta, sNoise },
        sigmas: once(plan.sigmas),
        timesteps: plan.timesteps.filter((_, i) => i % 2 === 0),
        beginIndex: beginIndex / 2,
      });
      return askForDenoised(sampler, { ops, parameterization, timesteps: plan.timesteps });
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
};
