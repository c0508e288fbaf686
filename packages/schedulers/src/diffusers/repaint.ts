// RePaintScheduler.
import { InvalidArgumentError, sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { askNetwork } from '../ask-network.ts';
import { variancePreserving } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { type RepaintMove, repaint } from '../repaint.ts';
import { type AlphaSpace, alphaCumprodAt, levelOfAlphaCumprod, sigmaOfAlphaCumprod } from './alpha-space.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';

export const repaintScheduler: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config);
  const configEta = config.number('eta', 0, { least: 0 });
  const limit = config.boolean('clip_sample', true)
    ? ({ kind: 'clip', range: 1 } as const)
    : ({ kind: 'none' } as const);
  const parameterization = createParameterization('epsilon', variancePreserving, limit);
  const space: AlphaSpace = {
    className: config.className,
    noiseSchedule,
    predictionType: 'epsilon',
    choice: { spacing: 'leading', stepsOffset: 0 },
    finalAlphaCumprod: 1,
  };
  const numTrainTimesteps = noiseSchedule.betas.length;
  const level = (timestep: number) => levelOfAlphaCumprod(alphaCumprodAt(space, timestep));

  /** The steps down and the jumps back up, in units of the stride (the paper's appendix B). */
  function walk(count: number, jumpLength: number, jumpNSample: number): number[] {
    const jumps = new Map<number, number>();
    for (let at = 0; at < count - jumpLength; at += jumpLength) jumps.set(at, jumpNSample - 1);
    const visited: number[] = [];
    let at = count;
    while (at >= 1) {
      visited.push(--at);
      const left = jumps.get(at) ?? 0;
      if (left === 0) continue;
      jumps.set(at, left - 1);
      for (let k = 0; k < jumpLength; k++) visited.push(++at);
    }
    return visited;
  }

  /** A timestep above the one before is reached by going back up. */
  function movesOf(timesteps: readonly number[], stride: number): RepaintMove[] {
    let before = timesteps[0]! + 1;
    return timesteps.map((timestep): RepaintMove => {
      const [previous, last] = [timestep - stride, before];
      before = timestep;
      if (timestep < last) {
        return { kind: 'step', transition: { timestep, from: level(timestep), to: level(previous) } };
      }
      return { kind: 'undo', betas: [...noiseSchedule.betas.subarray(last, last + stride)] };
    });
  }

  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'jumpLength', 'jumpNSample'],
    sampleOptions: ['eta', 'originalImage', 'mask'],
    plan({ numInferenceSteps: asked, jumpLength = 10, jumpNSample = 10 }) {
      if (![jumpLength, jumpNSample].every((value) => Number.isInteger(value) && value >= 1)) {
        throw new InvalidArgumentError(
          `${config.className}: jumpLength is ${jumpLength} and jumpNSample ${jumpNSample}. Give integers of at least 1.`,
        );
      }
      const numInferenceSteps = Math.min(asked!, numTrainTimesteps);
      const stride = Math.floor(numTrainTimesteps / numInferenceSteps);
      const timesteps = walk(numInferenceSteps, jumpLength, jumpNSample).map((at) => at * stride);
      const sigmas = [...timesteps, -1].map((timestep) =>
        sigmaOfAlphaCumprod(alphaCumprodAt(space, timestep)),
      );
      return { timesteps, sigmas, initNoiseSigma: 1, numInferenceSteps, custom: false };
    },
    sample({ ops, sample, plan, beginIndex, noise, eta = configEta, originalImage, mask }) {
      if (!originalImage || !mask) {
        throw new InvalidArgumentError(
          `${config.className}: ${originalImage ? 'mask' : 'originalImage'} is missing. Give sample the picture and the mask that says which part of it is kept.`,
        );
      }
      if (beginIndex > 0) {
        throw new InvalidArgumentError(
          `${config.className}: beginIndex is ${beginIndex}, RePaint starts from noise. Leave it out.`,
        );
      }
      const moves = movesOf(plan.timesteps, Math.floor(numTrainTimesteps / plan.numInferenceSteps));
      return askNetwork({
        ops,
        sampler: repaint({ ops, sample, moves, noise, originalImage, mask: spread(mask, sample.dims), eta }),
        inputScale: parameterization.inputScale,
        toAnswer: (modelOutput, { sample, sigma }) => ({
          denoised: parameterization.denoised(ops, modelOutput, sample, sigma),
          noise: modelOutput,
        }),
      });
    },
    sigmaAt: (timestep) => sigmaOfAlphaCumprod(noiseSchedule.alphasCumprod[timestep]!),
  };
};

/** A mask with one channel, for all the channels. */
function spread(mask: Tensor, dims: readonly number[]): Tensor {
  const [batch = 1, channels = 1, ...rest] = dims;
  const plane = sizeOf(rest);
  const fits =
    mask.dims.length === dims.length &&
    mask.dims.every((dim, axis) => dim === dims[axis] || (axis < 2 && dim === 1));
  if (!fits) {
    throw new InvalidArgumentError(
      `RePaintScheduler: the mask is [${mask.dims.join(', ')}], the sample [${dims.join(', ')}]. Give a mask of the sample's size, with 1 channel or as many.`,
    );
  }
  const [masks, planes] = [mask.dims[0]!, mask.dims[1]!];
  const spreadOut = new Float32Array(batch * channels * plane);
  for (let i = 0; i < batch * channels; i++) {
    const [sample, channel] = [Math.floor(i / channels) % masks, (i % channels) % planes];
    const start = (sample * planes + channel) * plane;
    spreadOut.set(mask.data.subarray(start, start + plane), i * plane);
  }
  return tensor(spreadOut, dims);
}
