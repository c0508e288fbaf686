import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { safetensorsParts, writeSafetensors } from './write-safetensors.ts';

test('a file is part by part what it is in one', async () => {
  const tensors = { b: tensor([1, 2], [2]), a: tensor(Uint16Array.of(0x3c00), [1]), c: tensor([3], [1, 1]) };
  const metadata = { format: 'pt' };
  const parts: number[] = [];
  const read: string[] = [];
  const stored = Object.entries(tensors).map(([name, { dtype, dims, data }]) => ({
    ...{ name, dtype, dims },
    read: () => {
      read.push(name);
      return new Uint8Array(data.buffer);
    },
  }));
  for await (const part of safetensorsParts(stored, metadata)) parts.push(...part);
  expect(parts).toEqual([...writeSafetensors(tensors, metadata)]);
  expect(read).toEqual(['b', 'c', 'a']);
});

test('a name that the format keeps for itself is refused', async () => {
  const one = { name: '__metadata__', dtype: 'float32', dims: [], read: () => new Uint8Array(4) } as const;
  await expect(safetensorsParts([one]).next()).rejects.toThrow('a tensor cannot be called "__metadata__"');
});
