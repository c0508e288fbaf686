import { classifierFreeGuidance, guidanceWithNegative } from '@emulsion/guidance';
import { GraphBuilder } from '@emulsion/onnx';
import { type Device, hostWorkspace, type Session, type Workspace } from '@emulsion/runtime';
import { createDevice } from '@emulsion/runtime-web';
import { createScheduler, resolveScheduler, type Scheduler, schedulerAliases } from '@emulsion/schedulers';
import { cpuOps, createRng, tensor } from '@emulsion/tensor';
import type { Unet } from '@emulsion/unet';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { keepKnown } from './keep-known.ts';
import { runSampler } from './run-sampler.ts';
import { unetDenoiser } from './unet-denoiser.ts';

let device: Device;
/** A network that is quickly run. */
let session: Session;
beforeAll(async () => {
  device = await createDevice('webgpu');
  const g = new GraphBuilder('network');
  const dims = ['batch', 'channels', 'height', 'width'];
  const sample = g.op('Tanh', [g.op('Mul', [g.input('sample', 'float32', dims), g.scalar(0.7)])]);
  g.output('output', g.op('Add', [sample, g.input('text', 'float32', ['batch', 1, 1, 1])]));
  session = await device.createSession(g.build());
});
afterAll(() => device.dispose());

/** Bytes of each buffer that was read, by whomever. */
let read: number[];
beforeEach(() => {
  read = [];
  const { mapAsync } = GPUBuffer.prototype;
  vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockImplementation(function (this: GPUBuffer, ...how) {
    read.push(this.size);
    return mapAsync.apply(this, how);
  });
});
afterEach(() => vi.restoreAllMocks());

/** A count of elements that are no numbers: the smallest buffer there is. */
const countBytes = 16;

const rng = createRng({ kind: 'torch-cpu', seed: 0 });

const unet: Pick<Unet, 'predict'> = {
  async predict({ sample, encoderHiddenStates: text }, options) {
    return (await session.run({ sample, text }, options)).output!;
  },
};
const text = (value: number) => ({ encoderHiddenStates: tensor([value], [1, 1, 1, 1]) });
const dims = [1, 4, 6, 6];
const start = rng.normal(dims);
const known = {
  original: rng.normal(dims),
  noise: start,
  mask: tensor(
    start.data.map((_, i) => i % 2),
    dims,
  ),
};

/** Samples in a workspace, from `factor` times the noise. @returns the latents, and what was read in each step */
async function sample(scheduler: Scheduler, workspace: Workspace, keeps = false, factor = 1) {
  const { ops } = workspace;
  const plan = scheduler.plan({ numInferenceSteps: 5 });
  const draws = createRng({ kind: 'torch-cpu', seed: 1 });
  const sampler = scheduler.sample({
    plan,
    ops,
    sample: cpuOps.combine([plan.initNoiseSigma * factor, start]),
    noise: (like) => draws.normal(like),
  });
  const guide = scheduler.wantsNegativeOutput ? guidanceWithNegative : classifierFreeGuidance;
  const between: number[][] = [];
  read = [];
  const latents = await runSampler(keeps ? keepKnown(sampler, known, scheduler, ops) : sampler, {
    denoiser: guide(unetDenoiser(unet, workspace), { guidanceScale: 3, guidanceRescale: 0.3, ops }),
    condition: { positive: text(0.1), negative: text(-0.05) },
    workspace,
    plan,
    onStep: () => void between.push(read.splice(0)),
  });
  workspace.dispose();
  return { latents, between };
}

const model = { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 };
const samplers = [
  ...schedulerAliases.map(({ name }) => [name, resolveScheduler(name, model)] as const),
  [
    'ddim with dynamic thresholding',
    { ...model, _class_name: 'DDIMScheduler', thresholding: true, sample_max_value: 2 },
  ] as const,
].filter(([, config]) => !createScheduler(config).plan({ numInferenceSteps: 5 }).adaptive);

test.each(samplers)(
  '%s: nothing comes back between the steps but a count, and the latents are those of the host',
  async (_, config) => {
    const scheduler = createScheduler(config);
    for (const keeps of [false, true]) {
      const onCard = await sample(scheduler, device.openWorkspace(), keeps);
      expect(onCard.between.length).toBeGreaterThanOrEqual(5);
      for (const bytes of onCard.between) expect(bytes).toEqual([countBytes]);
      const onHost = await sample(scheduler, hostWorkspace, keeps);
      const scale = onHost.latents.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      for (const [i, value] of onCard.latents.data.entries())
        expect(Math.abs(value - onHost.latents.data[i]!)).toBeLessThan(1e-4 * scale);
    }
  },
);

test('numbers that are none are found in their step', async () => {
  const scheduler = createScheduler(resolveScheduler('euler', model));
  await expect(sample(scheduler, device.openWorkspace(), false, Number.NaN)).rejects.toThrow(
    'unet: in step 1 of 5 it gave 144 of 144 elements that are not finite numbers.',
  );
});

test('fifty steps take the memory of their latents, and not more', async () => {
  const workspace = device.openWorkspace();
  const { memory } = workspace as Workspace & { readonly memory: { readonly bytes: number } }; // what the card's has
  const scheduler = createScheduler(resolveScheduler('dpm++2m', model));
  const plan = scheduler.plan({ numInferenceSteps: 50 });
  const { ops } = workspace;
  const taken: number[] = [];
  await runSampler(scheduler.sample({ plan, ops, sample: start, noise: () => start }), {
    denoiser: classifierFreeGuidance(unetDenoiser(unet, workspace), { guidanceScale: 3, ops }),
    condition: { positive: text(0.1), negative: text(-0.05) },
    workspace,
    plan,
    onStep: () => void taken.push(memory.bytes),
  });
  // Of each step: the two answers, what guidance makes of them, the clean latents and the state.
  expect((taken.at(-1)! - taken[9]!) / 40 / (4 * 144)).toBeLessThanOrEqual(5);
  workspace.dispose();
  expect(memory.bytes).toBe(0);
});
