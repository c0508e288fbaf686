/// <reference types="node" />
import { readdir, readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { modelFiles } from './files.ts';
import { fewStepLora, modelDefaults, modelUrl } from './index.ts';

test('the folder has a model in diffusers layout, with everything that its index names', async () => {
  const read = async (path: string) => JSON.parse(await readFile(new URL(path, modelUrl), 'utf8'));
  const index = await read('model_index.json');
  expect(index._class_name).toBe('StableDiffusionPipeline');
  const components = Object.entries(index).filter(([, value]) => Array.isArray(value) && value[0] !== null);
  expect(components.map(([name]) => name).sort()).toEqual([
    'scheduler',
    'text_encoder',
    'tokenizer',
    'unet',
    'vae',
  ]);
  for (const name of ['text_encoder', 'unet', 'vae'])
    expect(await read(`${name}/config.json`)).toBeTypeOf('object');
  expect(modelDefaults.guidanceScale).toBeGreaterThan(1);
});

test('pages are told of every file of the model', async () => {
  const entries = await readdir(modelUrl, { recursive: true, withFileTypes: true });
  const folder = fileURLToPath(modelUrl);
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, `${parentPath}/${name}`));
  expect(Object.keys(modelFiles).sort()).toEqual(paths.sort());
  for (const [path, url] of Object.entries(modelFiles)) expect(url.href).toBe(new URL(path, modelUrl).href);
  expect(Object.values(modelFiles).map(({ href }) => href)).toContain(fewStepLora.href);
});
