/// <reference types="node" />
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { modelDefaults, modelUrl } from './index.ts';

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
