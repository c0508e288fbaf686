import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPipeline, type Pipeline } from '@emulsion/pipelines';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addAdapters, parseAdapterFile } from './adapter-files.ts';

const fixture = (path: string) =>
  fileURLToPath(new URL(`../../../fixtures/golden/open/${path}`, import.meta.url));
const fileName = 'pytorch_lora_weights.safetensors';
const { signal } = new AbortController();

let folder: string;
let pipeline: Pipeline;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
  pipeline = await loadPipeline(fixture('models/sd1'), { device: 'cpu' });
});
afterAll(async () => {
  await pipeline.dispose();
  await rm(folder, { recursive: true });
});

test('files of one name in several folders are told apart by numbers, and all change the model', async () => {
  const files: string[] = [];
  for (const name of ['ink', 'oil', 'chalk']) {
    await mkdir(join(folder, name));
    files.push(join(folder, name, fileName));
    await cp(fixture('adapters/files/lora_kohya.safetensors'), files.at(-1)!);
  }
  const asked = files.map((path, i) => ({ path, strength: (i + 1) / 4 }));
  const notes = await addAdapters(pipeline, asked, { signal, numbered: true });
  expect(pipeline.adapters.list().map(({ name, strength }) => [name, strength])).toEqual([
    ['pytorch_lora_weights', 0.25],
    ['pytorch_lora_weights 2', 0.5],
    ['pytorch_lora_weights 3', 0.75],
  ]);
  expect(notes).toContainEqual(
    expect.stringMatching(/^The LoRA "pytorch_lora_weights 2" changes \d+ modules at strength 0\.5\.$/),
  );
});

test('embeddings keep the names that prompts have for them', async () => {
  const path = fixture('adapters/files/ti_my-emb3_diffusers.bin');
  const notes = await addAdapters(pipeline, [{ path, strength: 1 }], { signal });
  expect(notes).toEqual(['Prompts name an embedding by "<my-emb3>", at strength 1.']);
});

test('a strength is what comes behind the last colon, if it is a number', () => {
  expect(parseAdapterFile('ink.safetensors:0.5')).toEqual({ path: 'ink.safetensors', strength: 0.5 });
  expect(parseAdapterFile('C:\\ink.safetensors')).toEqual({ path: 'C:\\ink.safetensors', strength: 1 });
});
