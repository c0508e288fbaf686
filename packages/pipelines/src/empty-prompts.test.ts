import { type Folder, readJson } from '@emulsion/checkpoints';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { expect, test } from 'vitest';
import { loadPipeline } from './load-pipeline.ts';

/** A model whose index says something else. */
function withIndex(model: Folder, index: object): Folder {
  return {
    ...model,
    has: (path) => model.has(path),
    read: async (path, range) =>
      path === 'model_index.json' ? new TextEncoder().encode(JSON.stringify(index)) : model.read(path, range),
    subfolder: (path) => model.subfolder(path),
  };
}

test('XL is led away from zeros where there is no negative prompt, unless its index says otherwise', async () => {
  const device = await createTestDevice();
  const model = await openFixture('golden/open/models/sdxl');
  const { force_zeros_for_empty_prompt: _, ...index } = (await readJson(model, 'model_index.json')) as Record<
    string,
    unknown
  >;
  const paint = async (said: object, negativePrompt?: string) => {
    const pipeline = await loadPipeline(withIndex(model, { ...index, ...said }), { device });
    const request = { prompt: 'a cat', negativePrompt, numInferenceSteps: 2, guidanceScale: 5, seed: 1 };
    const { latents } = await pipeline(request);
    await pipeline.dispose();
    return latents;
  };
  const zeros = await paint({ force_zeros_for_empty_prompt: true });
  const nothing = await paint({ force_zeros_for_empty_prompt: false });
  expect(zeros).not.toEqual(nothing);
  expect(nothing).toEqual(await paint({ force_zeros_for_empty_prompt: true }, ''));
  expect(await paint({})).toEqual(zeros);
  expect(await paint({ force_zeros_for_empty_prompt: null })).toEqual(nothing);
  await device.dispose();
});
