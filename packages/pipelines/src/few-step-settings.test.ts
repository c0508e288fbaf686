import { memoryFolder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultsFor, type FewStepKind, fewStepSettings, isOfFewSteps } from './few-step-settings.ts';
import { loadPipeline, type Pipeline } from './load-pipeline.ts';

let device: Device;
let pipeline: Pipeline;
beforeAll(async () => {
  device = await createTestDevice();
  pipeline = await loadPipeline(await openFixture('golden/open/models/sdxl'), { device });
});
afterAll(() => device.dispose());

// Of 4 steps from pure noise on; those of consistency models are chosen from the 50 of the distillation.
test.each<[FewStepKind, number, number[]]>([
  ['turbo', 4, [999, 749, 499, 249]],
  ['turbo', 1, [999]],
  ['lightning', 2, [999, 499]],
  ['hyper-sd', 4, [999, 749, 499, 249]],
  ['hyper-sd-unified', 1, [999]],
  ['lcm', 4, [999, 759, 499, 259]],
  ['tcd', 4, [999, 759, 499, 259]],
])(
  '%s visits, in %i steps, the timesteps that it was distilled for, and asks the network once each',
  async (kind, steps, expected) => {
    const timesteps: number[] = [];
    const request = { prompt: 'a cat', seed: 3, ...fewStepSettings[kind], numInferenceSteps: steps };
    const { latents } = await pipeline({
      ...request,
      onStep: ({ timestep }) => void timesteps.push(timestep),
    });
    expect(timesteps).toEqual(expected);
    // Without guidance the negative prompt has no say.
    expect((await pipeline({ ...request, negativePrompt: 'a dog' })).latents).toEqual(latents);
  },
);

test.each([
  [{ _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' }, true],
  [
    {
      _class_name: 'EulerAncestralDiscreteScheduler',
      timestep_spacing: 'trailing',
      prediction_type: 'epsilon',
    },
    true,
  ],
  [{ _class_name: 'LCMScheduler' }, true],
  [{ _class_name: 'TCDScheduler' }, true],
  [{ _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'leading' }, false],
  [
    { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing', prediction_type: 'v_prediction' },
    false,
  ],
  [
    { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing', rescale_betas_zero_snr: true },
    false,
  ],
  [{ _class_name: 'DDIMScheduler', timestep_spacing: 'trailing' }, false],
])('a model with %o is one of few steps: %s', (config, expected) => {
  expect(isOfFewSteps(config)).toBe(expected);
});

test('a model that takes the guidance scale as an input keeps it', async () => {
  if (!('unet' in pipeline)) throw new Error('The model has a U-Net.');
  const { unet } = pipeline;
  const schedulerConfig = { _class_name: 'LCMScheduler' };
  const usual = { numInferenceSteps: 8, guidanceScale: 8.5 };
  const guided = { ...unet, config: { ...unet.config, timestepCondChannels: 256 } };
  expect(defaultsFor(usual, { schedulerConfig, unet: guided })).toEqual(usual);
  expect(defaultsFor(usual, { schedulerConfig, unet })).toEqual(few);
});

const few = { numInferenceSteps: 4, guidanceScale: 1 };

test('a Turbo paints in four steps without a word', async () => {
  const sdxl = await openFixture('golden/open/models/sdxl');
  const config = { ...pipeline.schedulerConfig, timestep_spacing: 'trailing' };
  const files = memoryFolder({ 'scheduler_config.json': JSON.stringify(config) }, 'turbo');
  const model = {
    ...sdxl,
    has: (path: string) => sdxl.has(path),
    read: (path: string) => sdxl.read(path),
    subfolder: (path: string) => (path === 'scheduler' ? files : sdxl.subfolder(path)),
  };
  const turbo = await loadPipeline(model, { device });
  expect(turbo.defaults).toMatchObject(few);
  let steps = 0;
  await turbo({ prompt: 'a cat', seed: 3, onStep: () => void steps++ });
  expect(steps).toBe(4);
  await turbo.dispose();
});
