/// <reference types="node" />
import { readFile } from 'node:fs/promises';
import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { InvalidFileError, MissingFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';
import { openWeights } from './open-weights.ts';
import { writeSafetensors } from './write-safetensors.ts';

/** A file whose tensors have these names. */
const file = (...names: string[]) =>
  writeSafetensors(Object.fromEntries(names.map((name) => [name, tensor([1], [1])])));

const index = (weightMap: unknown) => JSON.stringify({ metadata: {}, weight_map: weightMap });

const open = (files: Record<string, Uint8Array | string>, variant?: string) =>
  openWeights(memoryFolder(files, 'unet'), variant === undefined ? {} : { variant });

const names = async (...args: Parameters<typeof open>) => [...(await open(...args)).keys()].toSorted();

test('the names of diffusers and of transformers are found', async () => {
  expect(await names({ 'diffusion_pytorch_model.safetensors': file('a') })).toEqual(['a']);
  expect(await names({ 'model.safetensors': file('b') })).toEqual(['b']);
});

test('the plain file comes first, a variant when it is asked for or the only one', async () => {
  const both = { 'model.fp16.safetensors': file('half'), 'model.safetensors': file('full') };
  expect(await names(both)).toEqual(['full']);
  expect(await names(both, 'fp16')).toEqual(['half']);
  expect(await names({ 'model.fp16.safetensors': file('half') })).toEqual(['half']);
  await expect(open(both, 'non_ema')).rejects.toSatisfy((error) => MissingFileError.is(error));
});

test('shards are one set of weights', async () => {
  const shards = { 'm-1.safetensors': file('a', 'b'), 'm-2.safetensors': file('c') };
  const map = { a: 'm-1.safetensors', b: 'm-1.safetensors', c: 'm-2.safetensors' };
  const weights = await open({ ...shards, 'diffusion_pytorch_model.safetensors.index.json': index(map) });
  expect([...weights.keys()].toSorted()).toEqual(['a', 'b', 'c']);
  expect(weights.get('c')!.path).toBe('m-2.safetensors');
  for (const name of [
    'model.safetensors.index.fp16.json',
    'model.safetensors.fp16.index.json',
    'model.fp16.safetensors.index.json',
  ]) {
    expect(await names({ ...shards, [name]: index(map) })).toEqual(['a', 'b', 'c']);
  }
});

test('where two shards have a tensor, the index decides', async () => {
  const shards = { 'm-1.safetensors': file('a', 'b'), 'm-2.safetensors': file('b', 'c') };
  const map = { a: 'm-1.safetensors', b: 'm-2.safetensors' };
  const weights = await open({ ...shards, 'model.safetensors.index.json': index(map) });
  expect([...weights.keys()].toSorted()).toEqual(['a', 'b', 'c']);
  expect(weights.get('b')!.path).toBe('m-2.safetensors');
  const undecided = index({ a: 'm-1.safetensors', c: 'm-2.safetensors' });
  await expect(open({ ...shards, 'model.safetensors.index.json': undecided })).rejects.toThrow(
    'unet/model.safetensors.index.json: it leaves out "b", which is in m-2.safetensors and elsewhere. Download or save the file again.',
  );
});

test('a missing shard is named', async () => {
  const files = { 'model.safetensors.index.json': index({ a: 'm-1.safetensors' }) };
  await expect(open(files)).rejects.toSatisfy((error) => MissingFileError.is(error));
  await expect(open(files)).rejects.toThrow(
    'unet: there is no file "m-1.safetensors". "model.safetensors.index.json" lists it. Download the missing part of the model.',
  );
});

test('an index that disagrees with its shard is refused', async () => {
  const files = {
    'm-1.safetensors': file('a'),
    'model.safetensors.index.json': index({ a: 'm-1.safetensors', b: 'm-1.safetensors' }),
  };
  await expect(open(files)).rejects.toThrow(
    'unet/model.safetensors.index.json: it says that "b" is in m-1.safetensors, which has no such tensor. Download or save the file again.',
  );
});

test('an index without a map of file names is refused', async () => {
  const refused = async (content: string, problem: string) => {
    await expect(open({ 'model.safetensors.index.json': content })).rejects.toThrow(
      `unet/model.safetensors.index.json: ${problem}. Download or save the file again.`,
    );
  };
  for (const content of ['{}', '[]', 'null', index(null), index('a'), index(['m.safetensors'])]) {
    await refused(content, 'it has no "weight_map"');
  }
  for (const shard of ['../m.safetensors', 'a/b', '..', 5, null]) {
    await refused(index({ a: shard }), '"weight_map" gives no file name for "a"');
  }
  await expect(open({ 'model.safetensors.index.json': '{' })).rejects.toSatisfy((error) =>
    InvalidFileError.is(error),
  );
});

test('a folder without weights is told what was looked for', async () => {
  await expect(open({ 'config.json': '{}' })).rejects.toThrow(
    'unet: there is no file "diffusion_pytorch_model.safetensors". Nor is there any of model.safetensors, diffusion_pytorch_model.safetensors.index.json, model.safetensors.index.json, diffusion_pytorch_model.fp16.safetensors, model.fp16.safetensors, diffusion_pytorch_model.safetensors.index.fp16.json, diffusion_pytorch_model.safetensors.fp16.index.json, diffusion_pytorch_model.fp16.safetensors.index.json, model.safetensors.index.fp16.json, model.safetensors.fp16.index.json, model.fp16.safetensors.index.json, or a pytorch_model.bin. Give the folder of a model in diffusers layout.',
  );
});

test('weights of PyTorch are read where there are none of safetensors', async () => {
  const bin = await readFile(new URL('../../../fixtures/pytorch/plain.pt', import.meta.url));
  for (const name of ['pytorch_model.bin', 'diffusion_pytorch_model.fp16.bin']) {
    expect((await open({ [name]: bin })).get('conv')).toMatchObject({ path: name, dims: [2, 3, 2, 2] });
  }
  const shards = { 'pytorch_model.bin.index.json': index({ conv: 'p-1.bin' }), 'p-1.bin': bin };
  expect((await open(shards)).get('conv')).toMatchObject({ path: 'p-1.bin' });
  expect([...(await open({ 'model.safetensors': file('a'), 'pytorch_model.bin': bin })).keys()]).toEqual([
    'a',
  ]);
});
