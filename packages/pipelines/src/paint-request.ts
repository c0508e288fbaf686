// What every task makes of its options before anything is painted: prompts, noise, scheduler and plan.
import {
  loadScheduler,
  type Plan,
  type PlanOptions,
  resolveScheduler,
  type Scheduler,
} from '@emulsion/schedulers';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { PaintOptions } from './paint-options.ts';
import { createSeededNoise, type SeededNoise } from './seeded-noise.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

export interface PaintRequest {
  readonly prompts: readonly string[];
  /** How many are painted. */
  readonly pictures: number;
  readonly noise: SeededNoise;
  readonly scheduler: Scheduler;
  readonly plan: Plan;
}

/**
 * Reads the options that all tasks have.
 * @param planOptions what the task's plan is made with beside the steps
 * @throws {InvalidArgumentError} if one makes no sense, and the errors of schedulers
 */
export async function paintRequest(
  { schedulerConfig, device }: Pick<StableDiffusionParts, 'schedulerConfig' | 'device'>,
  options: PaintOptions,
  planOptions: PlanOptions = {},
): Promise<PaintRequest> {
  const { numImagesPerPrompt = 1 } = options;
  const scheduler = await loadScheduler(schedulerConfigOf({ schedulerConfig }, options));
  const prompts = listOf(options.prompt);
  if (prompts.length === 0) {
    throw new InvalidArgumentError('prompt: the list is empty. Give at least one prompt.');
  }
  if (!Number.isInteger(numImagesPerPrompt) || numImagesPerPrompt < 1) {
    throw new InvalidArgumentError(
      `numImagesPerPrompt is ${numImagesPerPrompt}. Give an integer of at least 1.`,
    );
  }
  const pictures = prompts.length * numImagesPerPrompt;
  const noise = createSeededNoise(options, pictures, device.ops);
  const plan = scheduler.plan({ ...stepOptions(options), ...planOptions });
  return { prompts, pictures, noise, scheduler, plan };
}

/** The JSON of the scheduler_config.json that is painted with: the one that is asked for, or the model's. */
export function schedulerConfigOf(
  { schedulerConfig }: Pick<StableDiffusionParts, 'schedulerConfig'>,
  { scheduler = schedulerConfig }: Pick<PaintOptions, 'scheduler'>,
): Readonly<Record<string, unknown>> {
  return typeof scheduler === 'string' ? resolveScheduler(scheduler, schedulerConfig) : scheduler;
}

/** A text, or several, as a list. */
export const listOf = (text: string | readonly string[]): readonly string[] =>
  typeof text === 'string' ? [text] : text;

function stepOptions({ numInferenceSteps, timesteps, sigmas }: PaintOptions): PlanOptions {
  if (timesteps) return { timesteps };
  if (sigmas) return { sigmas };
  return { numInferenceSteps: numInferenceSteps ?? 50 };
}
