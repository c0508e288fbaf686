// The loop that owns the network: answers a sampler's questions, with progress and cancellation.
import type { Denoiser } from '@emulsion/guidance';
import { type Cancellable, hostWorkspace, untilAborted, type Workspace } from '@emulsion/runtime';
import type { ModelAnswer, NetworkSampler, Plan, Question } from '@emulsion/schedulers';
import { sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { assertNone } from './assert-finite.ts';

/** What is known after an evaluation of the network. */
export interface StepEvent {
  /** Which evaluation this was, from 0. */
  readonly step: number;
  /** How many there are; `undefined` of a sampler that finds its steps on the way. */
  readonly totalSteps: number | undefined;
  /** How far the sampler is, above 0 and at most 1: by evaluations, or by log σ where their number is not known. */
  readonly progress: number;
  readonly timestep: number;
  /** Noise level before the step. */
  readonly sigma: number;
  /** The latents after the step, to be asked for while it is dealt with: they may lie on a graphics card. */
  latents(): Promise<Tensor>;
}

/** A question that a sampler asked, and the network's answer to it. */
export interface AnsweredQuestion {
  readonly question: Question;
  readonly modelOutput: Tensor;
}

export interface RunSamplerOptions<Condition> extends Cancellable {
  /** Answers with the network's output, and with that of the negative condition for samplers that want it (CFG++). */
  readonly denoiser: Denoiser<Condition, ModelAnswer>;
  readonly condition: Condition;
  /** Where the tensors of sampler and denoiser lie; on the host unless given. */
  readonly workspace?: Workspace | undefined;
  /** The plan that is sampled along, and the entry of its timesteps that is begun with. */
  readonly plan: Plan;
  readonly beginIndex?: number | undefined;
  /** How many of the plan's timesteps are visited, those before `beginIndex` counted; all unless given. */
  readonly endIndex?: number | undefined;
  /** Called after each evaluation, and waited for. */
  readonly onStep?: ((event: StepEvent, answered: AnsweredQuestion) => void | Promise<void>) | undefined;
}

/**
 * Runs a sampler to its end, or to that of the steps that are taken.
 * @returns the sampler's last state, on the host
 * @throws the signal's reason if it is aborted, {NonFiniteError} if the network's output is no number
 */
export async function runSampler<Condition>(
  sampler: NetworkSampler,
  options: RunSamplerOptions<Condition>,
): Promise<Tensor> {
  const { denoiser, condition, workspace = hostWorkspace, plan, onStep, signal } = options;
  const { beginIndex = 0, endIndex } = options;
  const totalSteps = plan.adaptive ? undefined : (endIndex ?? plan.timesteps.length) - beginIndex;
  const end = endIndex === undefined ? Number.POSITIVE_INFINITY : endIndex - beginIndex;
  let progress = 0;
  let next = sampler.next();
  for (let step = 0; !next.done && step < end; step++) {
    signal?.throwIfAborted();
    const question = next.value;
    const { timestep, sigma, sample } = question;
    const [answer] = await denoiser([{ step: question.step, timestep, sigma, sample, condition }]);
    const modelOutput = 'modelOutput' in answer! ? answer.modelOutput : answer!;
    // This waits for the device, so that a step is over when it is said to be.
    assertNone(
      await untilAborted(workspace.countNonFinite(modelOutput), signal),
      sizeOf(modelOutput.dims),
      `unet: in step ${step + 1}${totalSteps === undefined ? '' : ` of ${totalSteps}`} it gave`,
      'The weights may be damaged, or the guidance scale too high for this model.',
    );
    next = sampler.next(answer!);
    // A step that is done again goes back.
    progress = Math.max(progress, next.done ? 1 : progressOf(plan, totalSteps, step, next.value.sigma));
    const state = next.done ? next.value : next.value.state;
    const latents = async () => {
      const read = await workspace.read(state);
      // The sampler may write over its own.
      return read === state ? tensor(state.data.slice(), state.dims) : read;
    };
    await onStep?.({ step, totalSteps, progress, timestep, sigma, latents }, { question, modelOutput });
  }
  return untilAborted(workspace.read(next.done ? next.value : next.value.state), signal);
}

/** The share of the way that is behind a sampler which is about to evaluate at `sigma`. */
function progressOf({ sigmas }: Plan, totalSteps: number | undefined, step: number, sigma: number): number {
  if (totalSteps !== undefined) return (step + 1) / totalSteps;
  const [first, last] = [sigmas[0]!, sigmas.findLast((level) => level > 0)!];
  return Math.log(first / sigma) / Math.log(first / last);
}
