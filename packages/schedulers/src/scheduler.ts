// What a scheduler is: a plan of noise levels, and a sampler that asks a network along it.
import type { Tensor, TensorOps } from '@emulsion/tensor';
import type { NoiseSchedule } from './noise-schedule.ts';
import type { Noise, SamplerQuestion } from './sampler.ts';

/** How many steps, or which; exactly one of the first three, or one beside which a class says it takes another. */
export interface PlanOptions {
  /** Number of denoising steps, an integer of at least 1. */
  numInferenceSteps?: number;
  /** The timesteps to visit, descending. */
  timesteps?: readonly number[];
  /** The noise levels to visit, descending, the last one included. */
  sigmas?: readonly number[];
  /** Shift of the noise levels for the size of the picture, where the config says `use_dynamic_shifting`. */
  mu?: number;
  /** LCM and TCD: the part of the training timesteps that is used, above 0 and at most 1. */
  strength?: number;
  /** LCM and TCD: number of steps that the model was distilled from, in place of the config's. */
  originalInferenceSteps?: number;
  /** SCM: the first angle, in radians. */
  maxTimestep?: number;
  /** SCM: the angle between the first and 0 when there are two steps, or `null` for even spacing. */
  intermediateTimestep?: number | null;
  /** RePaint: how many steps a jump back takes. */
  jumpLength?: number;
  /** RePaint: how often the same stretch is walked. */
  jumpNSample?: number;
}

/** Where a sampler goes. A value: it can be stored, and made by hand. */
export interface Plan {
  /** What the network is fed, in order; an evaluation each, but where a class says otherwise. */
  readonly timesteps: readonly number[];
  /** Noise levels, descending, the last 0 where the sampler ends without noise. */
  readonly sigmas: readonly number[];
  /** What standard normal noise is multiplied by to give the first state. */
  readonly initNoiseSigma: number;
  /** The levels of the steps, for the samplers whose `sigmas` are those of several evaluations a step. */
  readonly path?: readonly number[];
  /** The number of steps that was asked for; samplers of order 2 make more evaluations than that. */
  readonly numInferenceSteps: number;
  /** Whether `timesteps` were given, and not spaced by the scheduler. */
  readonly custom: boolean;
  /** Whether the sampler finds its steps on the way: `timesteps` then says nothing of their number. */
  readonly adaptive?: boolean;
}

/** What a scheduler wants evaluated. */
export interface Question extends SamplerQuestion {
  /**
   * What the network is fed: the state, scaled as the network expects it. Only until the question is answered: the next
   * one may use its memory again.
   */
  readonly sample: Tensor;
  /**
   * The state itself: what the step before ended with. With `reuseStates` only until the next question is answered.
   */
  readonly state: Tensor;
}

/**
 * What a question is answered with: the network's raw output, and, for samplers that ask for it, the output without
 * guidance, that of the negative condition alone.
 */
export type ModelAnswer = Tensor | { readonly modelOutput: Tensor; readonly negativeOutput: Tensor };

/** A sampler that asks a network. */
export type NetworkSampler = Generator<Question, Tensor, ModelAnswer>;

export interface SampleOptions {
  plan: Plan;
  /** The first state: noise times the plan's `initNoiseSigma`, or a noised picture at `beginIndex`. */
  sample: Tensor;
  ops: TensorOps;
  /** Where noise comes from; deterministic samplers need none. */
  noise?: Noise;
  /** The entry of the plan's `timesteps` to start with. */
  beginIndex?: number;
  /**
   * Whether states may be written over older ones, so that steps allocate nothing. Who asks for it copies what is to be
   * kept longer than the next question.
   */
  reuseStates?: boolean;
  /** Amount of noise that is added in a step; the meaning is the sampler's. */
  eta?: number;
  /** Factor of the noise that is added. */
  sNoise?: number;
  /** Noise added on the way (Karras et al. 2022, algorithm 2), and between which levels. */
  sChurn?: number;
  sTmin?: number;
  sTmax?: number;
  /** DDIM: take the noise of the clipped x̂₀. */
  useClippedModelOutput?: boolean;
  /** LMS: number of answers that a step uses, at most 4. */
  order?: number;
  /** SA-Solver: amount of noise by timestep. */
  tau?: number | ((timestep: number) => number);
  /** UnCLIP: step to the plan's next timestep, as its pipelines do, or always to the one below. */
  strideOne?: boolean;
  /** RePaint: what is known, and where: 1 in the mask keeps the picture, 0 is painted. */
  originalImage?: Tensor;
  mask?: Tensor;
}

/** Where in the noise schedule a sample is to be put. */
export type NoisePlace =
  | { timestep: number | readonly number[]; plan?: Plan }
  | { plan: Plan; beginIndex: number; timestep?: undefined };

export type AddNoiseOptions = NoisePlace & {
  sample: Tensor;
  noise: Tensor;
  /** On the CPU if not given. */
  ops?: TensorOps;
};

export interface DenoisedOptions {
  /** The question, and what the network answered. */
  question: Question;
  modelOutput: Tensor;
  ops: TensorOps;
}

export interface NoisedAtOptions {
  /** A question of the scheduler's sampler. */
  question: SamplerQuestion;
  /** A clean sample, and the noise that is to be on it. */
  sample: Tensor;
  noise: Tensor;
  ops: TensorOps;
}

/** A sampler made from a scheduler config. */
export interface Scheduler {
  /** The class that the config names. */
  readonly className: string;
  /** The tables that the model was trained with, of the classes that have them. */
  readonly noiseSchedule: NoiseSchedule | undefined;
  /** Keys of the config that this class has no use for. */
  readonly unusedKeys: readonly string[];
  /** Whether the sampler is to be sent the output without guidance as well (CFG++). */
  readonly wantsNegativeOutput: boolean;
  /** The options of `sample` that this class takes besides `plan`, `sample`, `ops`, `noise` and `beginIndex`. */
  readonly sampleOptions: readonly SamplerSetting[];
  /** How many of the plan's timesteps a step visits: 2 for most samplers of order 2 with one step. */
  readonly evaluationsPerStep: number;
  /** @throws {InvalidArgumentError} if the options make no plan for this scheduler */
  plan(options: PlanOptions): Plan;
  /**
   * Samples along a plan. Each question is to be answered with the network's raw output, which must not be changed
   * afterwards: samplers look back. What is returned is the last state.
   * @throws {InvalidArgumentError} if noise or an option is missing, or an option is given that the class does not take
   */
  sample(options: SampleOptions): NetworkSampler;
  /**
   * A sample with noise, as it is at a timestep of the training schedule, or, with a plan, at a timestep or place of
   * that. A list of timesteps gives each sample of the batch its own.
   */
  addNoise(options: AddNoiseOptions): Tensor;
  /** What a network with v-prediction is to answer for a noised sample; options as `addNoise`. */
  velocity(options: AddNoiseOptions): Tensor;
  /** A clean sample with noise at a question's level: as the state would be, and as the network would be fed it. */
  noisedAt(options: NoisedAtOptions): Pick<Question, 'state' | 'sample'>;
  /** x̂₀ as a network's answer has it, for previews. */
  denoised(options: DenoisedOptions): Tensor;
}

/** Options of `sample` that not every class takes. */
export const samplerSettings = [
  'eta',
  'sNoise',
  'sChurn',
  'sTmin',
  'sTmax',
  'useClippedModelOutput',
  'order',
  'tau',
  'strideOne',
  'originalImage',
  'mask',
] as const satisfies readonly (keyof SampleOptions)[];
export type SamplerSetting = (typeof samplerSettings)[number];
