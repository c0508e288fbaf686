import { tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import type { Folder, ReadRange } from './folder.ts';
import { memoryFolder } from './memory-folder.ts';
import { readTensors } from './read-tensors.ts';
import { openSafetensors } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

/** A folder on what might be a disk, and the ranges that were read of its weights. */
function countedFolder(files: Readonly<Record<string, Uint8Array>>) {
  const memory = memoryFolder(files);
  const readings: ReadRange[] = [];
  const folder: Folder = {
    ...memory,
    locate: async (path) => ({ kind: 'path', path: `/${path}` }),
    read: (path, range) => {
      if (range) readings.push(range);
      return memory.read(path, range);
    },
  };
  return { folder, readings };
}

test('small tensors that lie together are read at once, whatever the order they are asked for in', async () => {
  const tensors = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`t${i}`, tensor([i, i + 0.5], [2])]),
  );
  const { folder, readings } = countedFolder({ f: writeSafetensors(tensors) });
  const weights = await openSafetensors(folder, 'f');
  readings.length = 0;
  const found = new Map<string, number[]>();
  for await (const [{ name }, { data, dims }] of readTensors(folder, [...weights.values()].reverse())) {
    expect(dims).toEqual([2]);
    found.set(name, [...data]);
  }
  expect(readings).toHaveLength(1);
  expect([...found.keys()].sort()).toEqual(Object.keys(tensors).sort());
  for (const [name, values] of found) expect(values).toEqual([...tensors[name]!.data]);
});

test('far apart tensors are read apart, and no more than 16 MiB at once', async () => {
  const large = 3 * 2 ** 20;
  const { folder, readings } = countedFolder({
    f: writeSafetensors({ a: zeros([large], 'float32'), b: zeros([large], 'float32'), c: tensor([7], [1]) }),
    g: writeSafetensors({ d: tensor([8], [1]) }),
  });
  const f = await openSafetensors(folder, 'f');
  const g = await openSafetensors(folder, 'g');
  readings.length = 0;
  const last = new Map<string, number | undefined>();
  for await (const [{ name }, { data }] of readTensors(folder, [...f.values(), ...g.values()]))
    last.set(name, data.at(-1));
  expect([...last]).toEqual([
    ['a', 0],
    ['b', 0],
    ['c', 7],
    ['d', 8],
  ]);
  expect(readings).toHaveLength(3);
  readings.length = 0;
  for await (const _ of readTensors(folder, [f.get('a')!, f.get('c')!]));
  expect(readings.map(({ length }) => length)).toEqual([4 * large, 4]);
});

test('weights in memory need no reading', async () => {
  const folder = memoryFolder({ f: writeSafetensors({ a: tensor([1, 2], [2]) }) });
  const weights = await openSafetensors(folder, 'f');
  for await (const [, { data }] of readTensors(folder, weights.values())) expect([...data]).toEqual([1, 2]);
});
