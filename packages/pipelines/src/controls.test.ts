import type { Folder } from '@emulsion/checkpoints';
import { type ControlNet, loadControlNet } from '@emulsion/controlnet';
import { type Device, hostWorkspace } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlOptions, controlResiduals, guidedControls } from './controls.ts';
import { loadPipeline } from './load-pipeline.ts';

let device: Device;
let folder: Folder;
let net: ControlNet;
beforeAll(async () => {
  device = await createTestDevice();
  folder = await openFixture('golden/open/models/controlnet');
  net = await loadControlNet(folder, { device });
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const picture = rng.uniform([1, 3, 64, 64]);
const inputs = {
  sample: rng.normal([2, 4, 8, 8]),
  timestep: 500,
  encoderHiddenStates: rng.normal([2, 77, 32]),
};

const painting = { pictures: 2, width: 64, height: 64, totalSteps: 4, ops: cpuOps };

/** What several networks add in an evaluation of five. */
async function residualsAt(step: number, options: ControlOptions, count = 1) {
  const nets = Array.from({ length: count }, () => net);
  const { positive } = guidedControls(nets, options, { ...painting, totalSteps: 5 });
  await controlResiduals(positive, inputs, 0, hostWorkspace, {}); // the first evaluation
  return controlResiduals(positive, inputs, step, hostWorkspace, {});
}

function expectClose(actual: Tensor, expected: Tensor): void {
  expect(actual.dims).toEqual(expected.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(1e-5);
}

test('several pictures are followed at once, each with its own scale', async () => {
  const one = await residualsAt(0, { controlImage: picture });
  const both = await residualsAt(
    0,
    { controlImage: [picture, picture], controlnetConditioningScale: [0.5, 0.25] },
    2,
  );
  expectClose(both!.midBlockResidual, cpuOps.affine(one!.midBlockResidual, 0.75, 0));
});

test('a picture is followed in its share of the steps, and where none is, nothing is added', async () => {
  const window = { controlImage: picture, controlGuidanceStart: 0.2, controlGuidanceEnd: 0.8 };
  const followed = await Promise.all([0, 1, 2, 3, 4].map((step) => residualsAt(step, window)));
  expect(followed.map((residuals) => residuals !== undefined)).toEqual([false, true, true, true, false]);
});

test('evaluations are counted from the one that the sampler begins with', async () => {
  const { positive } = guidedControls([net], { controlImage: picture, controlGuidanceEnd: 0.5 }, painting);
  expect([6, 7, 8, 9].map((step) => positive[0]!.isActive(step))).toEqual([true, true, false, false]);
});

test('a picture of another size is resized to what is painted', () => {
  const uniform = cpuOps.affine(zeros([1, 3, 16, 20]), 1, 0.25);
  const { positive } = guidedControls([net], { controlImage: uniform }, painting);
  expect(positive[0]!.picture.dims).toEqual([1, 3, 64, 64]);
  expect(positive[0]!.picture.data.every((value) => Math.abs(value - 0.25) < 1e-6)).toBe(true);
});

test('in guess mode the negative condition is left alone', () => {
  const plain = guidedControls([net], { controlImage: picture }, painting);
  expect(plain.negative).toBe(plain.positive);
  const guessed = guidedControls([net], { controlImage: picture, guessMode: true }, painting);
  expect(guessed.negative).toEqual([]);
  expect(guessed.positive).toHaveLength(1);
});

test('what makes no sense is refused', () => {
  const refuse = (options: ControlOptions, message: string, nets: readonly ControlNet[] = [net]) =>
    expect(() => guidedControls(nets, options, painting)).toThrow(message);
  refuse({}, 'controlImage: 0 came, and this pipeline has 1 ControlNets. Give one picture for each.');
  refuse({ controlImage: picture }, 'controlImage: 1 came, and this pipeline has 0 ControlNets.', []);
  refuse(
    { controlImage: picture, controlnetConditioningScale: [1, 2] },
    'controlnetConditioningScale is [1, 2]; one number for all of 1 ControlNets is wanted, or one for each.',
  );
  refuse(
    { controlImage: picture, controlGuidanceStart: 0.5, controlGuidanceEnd: 0.5 },
    'controlGuidanceStart is 0.5 and controlGuidanceEnd 0.5. Give shares from 0 to 1, the start below the end.',
  );
  refuse(
    { controlImage: zeros([3, 3, 64, 64]) },
    'image: 3 pictures came for 2. Give one for all or one for each.',
  );
});

test('a model is not loaded with a ControlNet for another one', async () => {
  const model = await openFixture('golden/open/models/sd2');
  await expect(loadPipeline(model, { device, controlNets: [folder] })).rejects.toThrow(
    'controlnet: its blocks have 16, 24 channels in 2, 2 layers, and those of this model 8, 16 channels in 1, 1 layers. Use a ControlNet that was trained for this model.',
  );
});

test('a pipeline is given ControlNets, paints in the size of the picture, and is led by it', async () => {
  const model = await openFixture('golden/open/models/sd1');
  const pipeline = await loadPipeline(model, { device, controlNets: [folder] });
  const request = { prompt: 'a cat', seed: 0, numInferenceSteps: 2 };
  const wide = rng.uniform([1, 3, 32, 64]);
  const led = await pipeline({ ...request, controlImage: wide });
  expect(led.pixels.dims).toEqual([1, 3, 32, 64]);
  const unled = await pipeline({ ...request, controlImage: wide, controlnetConditioningScale: 0 });
  expect(unled.latents).not.toEqual(led.latents);
  const over = { ...request, image: wide, strength: 0.5, numInferenceSteps: 4 };
  const painted = await pipeline({ ...over, controlImage: wide });
  expect(painted.pixels.dims).toEqual([1, 3, 32, 64]);
  const large = await pipeline({ ...request, controlImage: wide, hiresScale: 2 });
  expect(large.pixels.dims).toEqual([1, 3, 64, 128]);
  await expect(pipeline(request)).rejects.toThrow(
    'controlImage: 0 came, and this pipeline has 1 ControlNets.',
  );
  await pipeline.dispose();
});
