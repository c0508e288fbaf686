// The loop that owns the network: answers a sampler's questions, with progress and cancellation.
import type { Denoiser } from '@emulsion/guidance';
import type { Cancellable } from '@emulsion/runtime';
import type { Question } from '@emulsion/schedulers';
import type { Tensor } from '@emulsion/tensor';
import { assertFinite } from './assert-finite.ts';

/** What is known after an evaluation of the network. */
export interface StepEvent {
  /** Which evaluation this was, from 0. */
  readonly step: number;
  /** How many there are. */
  readonly totalSteps: number;
  readonly timestep: number;
  /** Noise level before the step. */
  readonly sigma: number;
  /** The latents after the step. */
  readonly latents: Tensor;
}

/** A question that a sampler asked, and the network's answer to it. */
export interface AnsweredQuestion {
  readonly question: Question;
  readonly modelOutput: Tensor;
}

export interface RunSamplerOptions<Condition> extends Cancellable {
  readonly denoiser: Denoiser<Condition>;
  readonly condition: Condition;
  readonly totalSteps: number;
  /** Called after each evaluation, and waited for. */
  readonly onStep?: ((event: StepEvent, answered: AnsweredQuestion) => void | Promise<void>) | undefined;
}

/**
 * Runs a sampler to its end.
 * @returns the sampler's last state
 * @throws the signal's reason if it is aborted, {NonFiniteError} if the network's output is no number
 */
export async function runSampler<Condition>(
  sampler: Generator<Question, Tensor, Tensor>,
  { denoiser, condition, totalSteps, onStep, signal }: RunSamplerOptions<Condition>,
): Promise<Tensor> {
  let next = sampler.next();
  while (!next.done) {
    signal?.throwIfAborted();
    const question = next.value;
    const { step, timestep, sigma, sample } = question;
    const [output] = await denoiser([{ step, timestep, sigma, sample, condition }]);
    assertFinite(
      output!,
      `unet: in step ${step + 1} of ${totalSteps} it gave`,
      'The weights may be damaged, or the guidance scale too high for this model.',
    );
    next = sampler.next(output!);
    const latents = next.done ? next.value : next.value.state;
    await onStep?.({ step, totalSteps, timestep, sigma, latents }, { question, modelOutput: output! });
  }
  return next.value;
}
