import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { memoryFolder } from '../memory-folder.ts';
import { readTensor } from '../read-tensor.ts';
import { openSafetensors } from '../safetensors.ts';
import { writeSafetensors } from '../write-safetensors.ts';
import { type DiffusersName, queryKeyValue, renameOriginal } from './original-names.ts';

const count = (...dims: number[]) =>
  tensor(
    Float32Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, (_, i) => i),
    dims,
  );

async function renamed(
  dims: readonly number[],
  name: (...args: Parameters<typeof queryKeyValue>) => DiffusersName,
) {
  const folder = memoryFolder({ 'm.safetensors': writeSafetensors({ qkv: count(...dims) }) });
  const weights = await openSafetensors(folder, 'm.safetensors');
  const found = await renameOriginal(folder, weights, (_, weight) => name(weight, 'to_', '.weight'));
  const values: Record<string, number[]> = {};
  for (const [key, weight] of found) values[key] = [...(await readTensor(folder, weight)).data];
  return values;
}

test('queries, keys and values of one matrix are its upper, middle and lower rows', async () => {
  expect(await renamed([3, 2], queryKeyValue)).toEqual({
    'to_q.weight': [0, 1],
    'to_k.weight': [2, 3],
    'to_v.weight': [4, 5],
  });
});

test('shift and scale change places', async () => {
  expect(await renamed([4, 1], () => ({ swapped: 'norm' }))).toEqual({ norm: [2, 3, 0, 1] });
});

test.each<[readonly number[], Parameters<typeof renamed>[1]]>([
  [[4, 2], queryKeyValue],
  [[], queryKeyValue],
  [[3, 1], () => ({ swapped: 'norm' })],
  [[5, 1], () => ({ parts: [['a', 6] as const, ['b', -1] as const] })],
])('a weight of %o that has not the rows for it keeps its name', async (dims, name) => {
  expect(Object.keys(await renamed(dims, name))).toEqual(['qkv']);
});
