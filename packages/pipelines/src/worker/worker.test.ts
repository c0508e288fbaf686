/// <reference types="node" />
import { fileURLToPath } from 'node:url';
import { MissingFileError, memoryFolder } from '@emulsion/checkpoints';
import type { RgbImage } from '@emulsion/image';
import { DeviceLostError } from '@emulsion/runtime';
import { UnknownSchedulerError } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { NonFiniteError, UnsupportedModelError } from '../errors.ts';
import { type LoadEvent, loadPipeline, type Pipeline } from '../load-pipeline.ts';
import type { PaintStepEvent } from '../paint-options.ts';
import type { TextToImageOptions } from '../text-to-image.ts';
import { loadPipelineInWorker, serveWorker, type WorkerPipeline } from './index.ts';

const path = fileURLToPath(new URL('../../../../fixtures/golden/open/models/sd1', import.meta.url));

/** A worker's two ends, without the thread: all that passes between them is posted. */
const { port1: worker, port2: scope } = new MessageChannel();
worker.start();
scope.start();
type Source = string | { readonly files: Readonly<Record<string, string>> };
serveWorker<Source>({
  endpoint: scope,
  openSource: (source) => (typeof source === 'string' ? source : memoryFolder(source.files, 'files')),
});

let direct: Pipeline;
let pipeline: WorkerPipeline;
const progress: LoadEvent[] = [];
beforeAll(async () => {
  direct = await loadPipeline(path, { device: 'cpu' });
  pipeline = await loadPipelineInWorker(worker, path, {
    device: 'cpu',
    onProgress: (event) => progress.push(event),
  });
});
afterAll(async () => {
  await pipeline.dispose();
  await direct.dispose();
  worker.close();
});

const small: TextToImageOptions = { prompt: 'a cat', numInferenceSteps: 3, seed: 0, scheduler: 'euler' };

const rejection = async (work: Promise<unknown>): Promise<Error> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error(`No error came, but ${String(error)}.`);
  return error;
};

test('the picture is the same as without a worker, in every number', async () => {
  const request = { ...small, numImagesPerPrompt: 2, negativePrompt: 'a dog' };
  expect(await pipeline(request)).toEqual(await direct(request));
});

test('adapters change the model in the worker, and what is refused there is an error here', async () => {
  // Node posts no files, as browsers do.
  const files = new URL('../../../../fixtures/golden/open/adapters/files/', import.meta.url);
  const file = fileURLToPath(new URL('lora_kohya.safetensors', files));
  const { adapters } = pipeline;
  const plain = await pipeline(small);
  const info = await adapters.add(file, { name: 'ink', strength: 0.5 });
  expect(info).toMatchObject({ name: 'ink', kind: 'lora', strength: 0.5 });
  expect(info.report.unmatched).toEqual([]);
  expect((await pipeline(small)).latents).not.toEqual(plain.latents);
  await adapters.set('ink', 0);
  expect(await pipeline(small)).toEqual(plain);
  expect((await adapters.list()).map(({ strength }) => strength)).toEqual([0]);
  const error = await rejection(adapters.set('pen', 1));
  expect(InvalidArgumentError.is(error)).toBe(true);
  expect(error.message).toBe('adapters: there is no "pen". There are "ink".');
  await adapters.remove('ink');
  expect(await adapters.list()).toEqual([]);
});

test('what pictures will take of memory is said as without a worker', async () => {
  const pictures = { width: 128, height: 96, pictures: 2 };
  expect(await pipeline.plan(pictures)).toEqual(await direct.plan(pictures));
  expect(await pipeline.plan()).toEqual(await direct.plan());
});

test('a picture goes in too, and stays with the caller', async () => {
  const { images } = await pipeline(small);
  const request = { prompt: 'a dog', image: images[0]!, strength: 0.5, numInferenceSteps: 4, seed: 1 };
  expect(await pipeline(request)).toEqual(await direct(request));
  expect(images[0]!.data).toHaveLength(64 * 64 * 3);
});

test('a model with a transformer paints in a worker too', async () => {
  const sd3 = path.replace(/sd1$/, 'sd3');
  const [here, there] = [
    await loadPipeline(sd3, { device: 'cpu' }),
    await loadPipelineInWorker(worker, sd3, { device: 'cpu' }),
  ];
  const request = { prompt: 'a cat', prompt3: 'a mat', maxSequenceLength: 12, numInferenceSteps: 2, seed: 7 };
  expect(await there(request)).toEqual(await here(request));
  expect(there.transformer?.config).toEqual('transformer' in here && here.transformer.config);
  expect(there.unet).toBeUndefined();
  for (const pipeline of [here, there]) await pipeline.dispose();
});

test('what the pipeline consists of is told, as far as it is data', () => {
  expect(pipeline.device.kind).toBe('cpu');
  expect(pipeline.device.notes).toEqual(direct.device.notes);
  expect(pipeline.unet?.config).toEqual('unet' in direct && direct.unet.config);
  expect(pipeline.vae.config).toEqual(direct.vae.config);
  expect(pipeline.schedulerConfig).toEqual(direct.schedulerConfig);
  expect(pipeline.notes).toEqual(direct.notes);
  expect(progress).toEqual([
    { component: 'text_encoder', loaded: 0, total: 3 },
    { component: 'vae', loaded: 1, total: 3 },
    { component: 'unet', loaded: 2, total: 3 },
    { component: 'unet', loaded: 3, total: 3 },
  ]);
});

test('the steps come in order, each waited for, with the same latents and previews', async () => {
  const record = () => {
    const events: (Omit<PaintStepEvent, 'preview' | 'latents'> & { readonly latents: Tensor })[] = [];
    const previews: RgbImage[][] = [];
    let busy = 0;
    const onStep = async ({ preview, latents, ...event }: PaintStepEvent) => {
      expect(busy++, 'one step at a time').toBe(0);
      events.push({ ...event, latents: await latents() });
      previews.push(await preview());
      await new Promise((resolve) => setTimeout(resolve, 20));
      busy--;
    };
    return { events, previews, onStep };
  };
  const [here, there] = [record(), record()];
  await direct({ ...small, onStep: here.onStep });
  await pipeline({ ...small, onStep: there.onStep });
  expect(there.events.map(({ step }) => step)).toEqual([0, 1, 2]);
  expect(there.events).toEqual(here.events);
  expect(there.previews).toEqual(here.previews);
});

test('a preview is for its step: after it, it is refused', async () => {
  const events: PaintStepEvent[] = [];
  await pipeline({ ...small, onStep: (event) => void events.push(event) });
  const error = await rejection(events[1]!.preview());
  expect(InvalidArgumentError.is(error)).toBe(true);
  expect(error.message).toBe('preview: step 2 is over. Ask while onStep runs.');
});

test('an abort in the middle rejects at once with its reason, stops the work, and painting goes on', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const steps: number[] = [];
  const run = pipeline({
    ...small,
    numInferenceSteps: 900,
    signal: controller.signal,
    onStep: ({ step }) => {
      steps.push(step);
      if (step === 1) controller.abort(reason);
    },
  });
  await expect(run).rejects.toBe(reason);
  const start = performance.now();
  expect(await pipeline(small)).toEqual(await direct(small));
  expect(performance.now() - start).toBeLessThan(5000);
  expect(steps).toEqual([0, 1]);
});

test('a signal that was aborted before paints nothing, nor loads', async () => {
  const reason = new Error('never');
  const signal = AbortSignal.abort(reason);
  await expect(pipeline({ ...small, signal })).rejects.toBe(reason);
  await expect(loadPipelineInWorker(worker, path, { signal })).rejects.toBe(reason);
});

test('loading can be stopped', async () => {
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const loading = loadPipelineInWorker(worker, path, {
    device: 'cpu',
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await expect(loading).rejects.toBe(reason);
});

test('a source that takes time says how far it is, and is stopped with the load', async () => {
  const ends = new MessageChannel();
  for (const port of [ends.port1, ends.port2]) port.start();
  const reason = new Error('offline');
  let seen: AbortSignal | undefined;
  serveWorker({
    endpoint: ends.port2,
    openSource: (_, { signal, onProgress }) => {
      seen = signal;
      onProgress({ component: 'a download', loaded: 1, total: 2 });
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const controller = new AbortController();
  const events: LoadEvent[] = [];
  const loading = loadPipelineInWorker(ends.port1, 'anything', {
    signal: controller.signal,
    onProgress: (event) => {
      events.push(event);
      controller.abort(reason);
    },
  });
  await expect(loading).rejects.toBe(reason);
  expect(events).toEqual([{ component: 'a download', loaded: 1, total: 2 }]);
  await vi.waitFor(() => expect(seen?.aborted).toBe(true));
  ends.port1.close();
});

test('what a listener throws ends the run with it', async () => {
  const thrown = new Error('the listener');
  const onStep = () => {
    throw thrown;
  };
  await expect(pipeline({ ...small, onStep })).rejects.toBe(thrown);
  await expect(loadPipelineInWorker(worker, path, { device: 'cpu', onProgress: onStep })).rejects.toBe(
    thrown,
  );
});

test('errors are those that come without a worker: class, text and fields', async () => {
  const failures = [
    [InvalidArgumentError, { width: 60 }],
    [UnknownSchedulerError, { scheduler: 'no such' }],
    [NonFiniteError, { guidanceScale: 1e39 }],
  ] as const;
  for (const [errorClass, change] of failures) {
    const [here, there] = [
      await rejection(direct({ ...small, ...change })),
      await rejection(pipeline({ ...small, ...change })),
    ];
    expect(errorClass.is(there), errorClass.className).toBe(true);
    expect(there.message).toBe(here.message);
    expect({ ...there }).toEqual({ ...here });
  }
  const missing = await rejection(loadPipelineInWorker(worker, { files: {} }));
  expect(MissingFileError.is(missing)).toBe(true);
  const index = JSON.stringify({ _class_name: 'OtherPipeline' });
  const unsupported = await rejection(loadPipelineInWorker(worker, { files: { 'model_index.json': index } }));
  expect(UnsupportedModelError.is(unsupported)).toBe(true);
  expect(unsupported.message).toMatch(
    /^files: "OtherPipeline" in model_index\.json is not supported\. StableDiffusionPipeline, .* are\.$/,
  );
});

test('dispose frees the model, ends what is under way, and later calls say so', async () => {
  const own = await loadPipelineInWorker(worker, path, { device: 'cpu' });
  const run = rejection(own({ ...small, numInferenceSteps: 900 }));
  await own.dispose();
  await own.dispose();
  expect((await run).name).not.toBe('');
  const after = await rejection(own(small));
  expect(DeviceLostError.is(after)).toBe(true);
  expect(after.message).toBe('The pipeline was disposed. Load it again to go on.');
});

test('a worker that fails rejects what is under way, and every later call', async () => {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  port2.start();
  serveWorker({ endpoint: port2 });
  const own = await loadPipelineInWorker(port1, path, { device: 'cpu' });
  const failed = own({ ...small, onStep: () => void port1.dispatchEvent(new Event('error')) });
  const error = await rejection(failed);
  expect(DeviceLostError.is(error)).toBe(true);
  expect(error.message).toBe('The worker failed. Start another one and load the model in it.');
  expect(await rejection(own(small))).toBe(error);
  await own.dispose();
  port1.close();
});

test('results are transferred: the parts of a picture come whole, in buffers of their own', async () => {
  const { images, pixels, latents } = await pipeline(small);
  for (const { data } of [images[0]!, pixels, latents]) expect(data.byteLength).toBe(data.buffer.byteLength);
});
