// Between a sampler and a network: scales what the network is fed, and makes its raw output into the answer.
import { InvalidArgumentError, ShapeError, type Tensor, type TensorOps } from '@emulsion/tensor';
import type { GuidedDenoised } from './cfg-plus-plus.ts';
import type { Parameterization } from './parameterization.ts';
import type { Sampler, SamplerQuestion } from './sampler.ts';
import type { ModelAnswer, NetworkSampler } from './scheduler.ts';

export interface AskNetworkOptions<Answer> {
  ops: TensorOps;
  sampler: Sampler<Answer>;
  /** Factor of the network's input at a noise level. */
  inputScale: (sigma: number) => number;
  /** The answer that the sampler is sent. */
  toAnswer: (modelOutput: Tensor, question: SamplerQuestion, negativeOutput: Tensor | undefined) => Answer;
  /** Whether the network also predicts a variance, in as many channels again. */
  learnedVariance?: boolean;
  /** What the network is fed by the step of the question, in place of what the sampler says. */
  timesteps?: readonly (number | undefined)[] | undefined;
}

function assertAnswers(modelOutput: Tensor, sample: Tensor, learnedVariance: boolean): void {
  const channels = sample.dims[1];
  const fits =
    modelOutput.dims.length === sample.dims.length &&
    modelOutput.dims.every(
      (dim, axis) =>
        dim === sample.dims[axis] || (learnedVariance && axis === 1 && channels && dim === 2 * channels),
    );
  if (fits) return;
  const wanted = learnedVariance
    ? `[${sample.dims.join(', ')}], or twice the channels`
    : `[${sample.dims.join(', ')}]`;
  throw new ShapeError(
    `sample: the network's output is [${modelOutput.dims.join(', ')}], the question wants ${wanted}. Send in the output for the sample of the question.`,
  );
}

/** A sampler whose questions a network can be asked as they are. */
export function* askNetwork<Answer>(options: AskNetworkOptions<Answer>): NetworkSampler {
  const { ops, sampler, inputScale, toAnswer, learnedVariance = false, timesteps } = options;
  let turn = sampler.next();
  while (!turn.done) {
    const question = turn.value;
    const { sample: state } = question;
    const scale = inputScale(question.sigma);
    const sample = scale === 1 ? state : ops.combine([scale, state]);
    const timestep = timesteps?.[question.step] ?? question.timestep;
    const answer: ModelAnswer = yield { ...question, timestep, sample, state };
    const { modelOutput, negativeOutput } =
      'modelOutput' in answer ? answer : { modelOutput: answer, negativeOutput: undefined };
    assertAnswers(modelOutput, state, learnedVariance);
    if (negativeOutput) assertAnswers(negativeOutput, state, learnedVariance);
    turn = sampler.next(toAnswer(modelOutput, question, negativeOutput));
  }
  return turn.value;
}

/** The parts that nearly every sampler is asked with. */
export interface NetworkParts {
  ops: TensorOps;
  parameterization: Parameterization;
  learnedVariance?: boolean;
  timesteps?: readonly (number | undefined)[] | undefined;
}

/** Asks for a sampler whose answers are `denoised`. */
export function askForDenoised(sampler: Sampler, parts: NetworkParts): NetworkSampler {
  const { ops, parameterization, learnedVariance = false, timesteps } = parts;
  return askNetwork({
    ops,
    sampler,
    learnedVariance,
    timesteps,
    inputScale: parameterization.inputScale,
    toAnswer: (modelOutput, { sample, sigma }) =>
      parameterization.denoised(ops, withoutVariance(ops, modelOutput, sample), sample, sigma),
  });
}

/** Asks for a sampler whose answers are the noise. */
export function askForNoise(sampler: Sampler, parts: NetworkParts): NetworkSampler {
  const { ops, parameterization, learnedVariance = false, timesteps } = parts;
  return askNetwork({
    ops,
    sampler,
    learnedVariance,
    timesteps,
    inputScale: parameterization.inputScale,
    toAnswer: (modelOutput, { sample, sigma }) =>
      parameterization.noise(ops, withoutVariance(ops, modelOutput, sample), sample, sigma),
  });
}

/** The first half of the channels, where a network predicts a variance in the second. */
export function withoutVariance(ops: TensorOps, modelOutput: Tensor, sample: Tensor): Tensor {
  const channels = sample.dims[1];
  return channels === undefined || modelOutput.dims[1] === channels
    ? modelOutput
    : ops.slice(modelOutput, 0, channels, 1);
}

/** Asks for a sampler that wants x̂₀ with and without guidance. */
export function askForGuidedDenoised(
  sampler: Sampler<GuidedDenoised>,
  { ops, parameterization, timesteps }: NetworkParts,
): NetworkSampler {
  return askNetwork({
    ops,
    sampler,
    timesteps,
    inputScale: parameterization.inputScale,
    toAnswer(modelOutput, { sample, sigma }, negativeOutput) {
      if (!negativeOutput) {
        throw new InvalidArgumentError(
          'sample: this sampler keeps the unguided noise (CFG++), and was sent the guided output alone. Send { modelOutput, negativeOutput }, the second without guidance.',
        );
      }
      return {
        denoised: parameterization.denoised(ops, modelOutput, sample, sigma),
        negative: parameterization.denoised(ops, negativeOutput, sample, sigma),
      };
    },
  });
}
