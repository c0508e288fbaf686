import { cpuOps, createRng, InvalidArgumentError, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { kDiffusionSamplers } from './diffusers/k-diffusion.ts';
import type { Noise } from './sampler.ts';

/** What a sampler of k-diffusion's makes of noise, with settings. */
function sampled(sampler: string, settings: { eta?: number; sNoise?: number }): string {
  const scheduler = createScheduler({ _class_name: 'KDiffusionScheduler', sampler });
  const plan = scheduler.plan({ numInferenceSteps: 24 }); // restart walks again from 20 on
  const rng = createRng({ kind: 'torch-cpu', seed: 1 });
  const sample = cpuOps.combine([plan.initNoiseSigma, rng.normal([1, 1, 2, 2])]);
  const noise: Noise = (dims) => rng.normal(dims);
  const sampling = scheduler.sample({ plan, sample, ops: cpuOps, noise, ...settings });
  let turn = sampling.next();
  while (!turn.done) {
    const modelOutput = cpuOps.combine([0.9, turn.value.sample]);
    const negativeOutput = cpuOps.combine([0.8, turn.value.sample]);
    turn = sampling.next(scheduler.wantsNegativeOutput ? { modelOutput, negativeOutput } : modelOutput);
  }
  return turn.value.data.join();
}

test.each(kDiffusionSamplers)('%s refuses the settings that would change nothing', (sampler) => {
  const taken = createScheduler({ _class_name: 'KDiffusionScheduler', sampler }).sampleOptions;
  const without = sampled(sampler, {});
  if (taken.includes('eta')) {
    expect(sampled(sampler, { eta: 0 })).not.toBe(sampled(sampler, { eta: 1 }));
    expect(sampled(sampler, { eta: 1, sNoise: 0.5 })).not.toBe(sampled(sampler, { eta: 1 }));
  } else expect(() => sampled(sampler, { eta: 1 })).toThrow(InvalidArgumentError);
  if (!taken.includes('sNoise'))
    expect(() => sampled(sampler, { sNoise: 0.5 })).toThrow(InvalidArgumentError);
  else if (!taken.includes('eta')) expect(sampled(sampler, { sNoise: 0.5 })).not.toBe(without);
});

test.each([
  { _class_name: 'KDPM2AncestralDiscreteScheduler' },
  { _class_name: 'KDiffusionScheduler', sampler: 'dpmpp_2s_ancestral' },
  { _class_name: 'KDiffusionScheduler', sampler: 'dpmpp_2s_ancestral_cfg_pp' },
])(
  'with another amount of noise each evaluation is fed the timestep of its level: $_class_name $sampler',
  (config) => {
    const scheduler = createScheduler(config);
    const levels = Array.from(
      scheduler.noiseSchedule!.alphasCumprod,
      (alpha) => Math.log((1 - alpha) / alpha) / 2,
    );
    const plan = scheduler.plan({ numInferenceSteps: 4 });
    const state = tensor([1, -1], [1, 1, 1, 2]);
    for (const eta of [0, 0.5, 1]) {
      const sampling = scheduler.sample({ plan, sample: state, ops: cpuOps, noise: () => state, eta });
      for (let turn = sampling.next(); !turn.done; ) {
        const { timestep, sigma, sample } = turn.value;
        const below = Math.floor(timestep);
        const level = levels[below]! + (timestep - below) * ((levels[below + 1] ?? 0) - levels[below]!);
        expect(Math.abs(Math.log(sigma) - level), `eta ${eta}: level ${sigma} at ${timestep}`).toBeLessThan(
          0.02,
        );
        const answers = { modelOutput: sample, negativeOutput: sample };
        turn = sampling.next(scheduler.wantsNegativeOutput ? answers : sample);
      }
    }
  },
);
