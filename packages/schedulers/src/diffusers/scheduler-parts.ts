// What each class of scheduler supplies; createScheduler makes the rest of it.
import type { Tensor } from '@emulsion/tensor';
import type { NoiseSchedule } from '../noise-schedule.ts';
import type { Parameterization } from '../parameterization.ts';
import type { Noise } from '../sampler.ts';
import type {
  DenoisedOptions,
  NetworkSampler,
  Plan,
  PlanOptions,
  SampleOptions,
  SamplerSetting,
} from '../scheduler.ts';
import type { ConfigReader } from './config-reader.ts';

/** The options of `sample`, checked, with what can be left out filled in. */
export type SampleRequest = SampleOptions & { beginIndex: number; noise: Noise };

export interface SchedulerParts {
  readonly noiseSchedule?: NoiseSchedule;
  readonly parameterization: Parameterization;
  /** The options that `plan` takes. */
  readonly planOptions: readonly (keyof PlanOptions)[];
  /** The options that `sample` takes besides those of every class. */
  readonly sampleOptions?: readonly SamplerSetting[];
  /** Entries of the plan's timesteps a step, 1 if not given: `beginIndex` is a multiple of it. */
  readonly evaluationsPerStep?: number;
  readonly wantsNegativeOutput?: boolean;
  /** Whether the last of `sigmas`, the 0, may be left out of what `plan` is given. */
  readonly addsLastSigma?: boolean;
  /** Whether noise is added as of the training timestep also where the plan has another level there. */
  readonly noisesByTimestep?: boolean;
  plan(options: PlanOptions): Plan;
  sample(request: SampleRequest): NetworkSampler;
  /** The noise level of a training timestep, in the unit of the plan's sigmas; NaN if there is none. */
  sigmaAt(timestep: number, plan: Plan | undefined): number;
  /** x̂₀, where it is not what the parameterization gives. */
  denoised?(options: DenoisedOptions): Tensor;
}

/** Reads the config of one class. */
export type SchedulerClass = (config: ConfigReader) => SchedulerParts;
