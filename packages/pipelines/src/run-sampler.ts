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

export interface RunSamplerOptions<Condition> extends Cancellable {
  readonly denoiser: Denoiser<Condition>;
  readonly condition: Condition;
  readonly totalSteps: number;
  /** Called after each evaluation, and waited for. */
  readonly onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
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
    const { step, timestep, sigma, sample } = next.value;
    const [output] = await denoiser([{ step, timestep, sigma, sample, condition }]);
    assertFinite(
      output!,
      `unet: in step ${step + 1} of ${totalSteps} it gave`,
      'The weights may be damaged, or the guidance scale too high for this model.',
    );
    next = sampler.next(output!);
    await onStep?.({ step, totalSteps, timestep, sigma, latents: next.done ? next.value : next.value.state });
  }
  return next.value;
}
