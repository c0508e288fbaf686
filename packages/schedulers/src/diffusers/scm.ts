// SCMScheduler: TrigFlow consistency models (Lu and Song 2024; Chen et al. 2025, SANA-Sprint).
import { InvalidArgumentError } from '@emulsion/tensor';
import { askForDenoised } from '../ask-network.ts';
import { linspaceFloat32 } from '../linspace.ts';
import type { NoiseProcess } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { renoise } from '../renoise.ts';
import type { PlanOptions } from '../scheduler.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

/** Levels on a quarter circle, told apart by the angle. */
const byAngle: NoiseProcess = (angle) => ({ alpha: Math.cos(angle), sigma: Math.sin(angle) });

export const scmScheduler: SchedulerClass = (config) => {
  const numTrainTimesteps = config.integer('num_train_timesteps', 1000, 1);
  config.oneOf('prediction_type', ['trigflow'], 'trigflow');
  const sigmaData = config.number('sigma_data', 0.5, { above: 0 });
  // x̂₀ = cos(t) x - sin(t) F
  const parameterization = createParameterization('v_prediction', byAngle);

  /** The angles, the last included. */
  function angles(options: PlanOptions): number[] {
    if (options.timesteps) return options.timesteps.map(Math.fround);
    const { maxTimestep = 1.5708, numInferenceSteps = 1 } = options;
    const { intermediateTimestep = numInferenceSteps === 2 ? 1.3 : null } = options;
    if (numInferenceSteps > numTrainTimesteps || (intermediateTimestep !== null && numInferenceSteps !== 2)) {
      throw new InvalidArgumentError(
        `${config.className}: numInferenceSteps is ${numInferenceSteps}${intermediateTimestep === null ? '' : ` and intermediateTimestep ${intermediateTimestep}`}. Give at most ${numTrainTimesteps} steps, and an intermediate timestep for 2 steps only.`,
      );
    }
    if (intermediateTimestep !== null) return [maxTimestep, intermediateTimestep, 0].map(Math.fround);
    return [...linspaceFloat32(maxTimestep, 0, numInferenceSteps + 1)];
  }

  return {
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'maxTimestep', 'intermediateTimestep'],
    plan(options) {
      // The last angle is where the last step ends; the network is not asked there.
      const timesteps = angles(options);
      if (timesteps.length < 2) {
        throw new InvalidArgumentError(
          `${config.className}: one timestep makes no step. Give where the last step ends as well.`,
        );
      }
      return {
        timesteps,
        sigmas: timesteps,
        initNoiseSigma: 1,
        numInferenceSteps: timesteps.length - 1,
        custom: options.timesteps !== undefined,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise }) {
      const rounds = plan.timesteps.slice(0, -1).map((timestep, i) => {
        const { alpha, sigma } = byAngle(plan.timesteps[i + 1]!);
        return { timestep, sigma: timestep, to: { alpha, sigma: sigma * sigmaData } };
      });
      return askForDenoised(renoise({ ops, sample, rounds, noise, beginIndex }), { ops, parameterization });
    },
    sigmaAt: (timestep) => timestep,
  };
};
