import { type AnyTensor, InvalidArgumentError, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { memoryFolder } from './memory-folder.ts';
import { readTensor } from './read-tensor.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

const tensors: Record<string, AnyTensor> = {
  'z half': tensor(Uint16Array.of(0x3c00, 0x4000), [2]),
  flags: tensor(Uint8Array.of(1, 0, 1), [3], 'bool'),
  bytes: tensor(Uint8Array.of(7), [1, 1]),
  long: tensor(BigInt64Array.of(-5n), []),
  double: tensor(Float64Array.of(0.5), [1]),
  int: tensor(Int32Array.of(3, 4), [2, 1]),
  float: tensor([1, -2.5, 3, 4, 5, 6], [2, 3]),
  empty: tensor([], [0, 4]),
};

test('every tensor is read back, whatever its type', async () => {
  const folder = memoryFolder({ f: writeSafetensors(tensors, { note: 'é "quoted"' }) });
  const { weights, metadata } = await readSafetensorsHeader(folder, 'f');
  expect([...metadata]).toEqual([['note', 'é "quoted"']]);
  expect([...weights.keys()].toSorted()).toEqual(Object.keys(tensors).toSorted());
  for (const [name, { dtype, dims }] of Object.entries(tensors)) {
    expect(weights.get(name)).toMatchObject({ name, dtype, dims, path: 'f' });
  }
  expect([...(await readTensor(folder, weights.get('z half')!)).data]).toEqual([1, 2]);
  expect((await readTensor(folder, weights.get('long')!)).data[0]).toBe(-5);
  expect(await readTensor(folder, weights.get('float')!)).toEqual(tensors.float);
});

test('every tensor starts at a multiple of its element size', async () => {
  const folder = memoryFolder({ f: writeSafetensors(tensors) });
  const sizes = { long: 8, double: 8, float: 4, int: 4, 'z half': 2 };
  const { weights } = await readSafetensorsHeader(folder, 'f');
  for (const [name, size] of Object.entries(sizes)) expect(weights.get(name)!.range.offset % size).toBe(0);
});

test('a part of a larger buffer is written as that part', async () => {
  const part = tensor(new Float32Array([9, 1, 2, 9]).subarray(1, 3), [2]);
  const folder = memoryFolder({ f: writeSafetensors({ part }) });
  const { weights } = await readSafetensorsHeader(folder, 'f');
  expect([...(await readTensor(folder, weights.get('part')!)).data]).toEqual([1, 2]);
});

test('the bytes are those of the reference implementation', () => {
  const bytes = writeSafetensors(
    { b: tensor([1, 2], [2]), a: tensor(Uint8Array.of(3), [1]) },
    { format: 'pt' },
  );
  const header =
    '{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}';
  const length = Math.ceil(header.length / 8) * 8;
  expect(new TextDecoder().decode(bytes.subarray(8, 8 + length))).toBe(header.padEnd(length));
  expect([...bytes.subarray(0, 8)]).toEqual([length, 0, 0, 0, 0, 0, 0, 0]);
  expect([...bytes.subarray(8 + length)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 3]);
});

test('the name that the format keeps for itself is refused', () => {
  expect(() => writeSafetensors({ __metadata__: tensor([1], [1]) })).toThrow(InvalidArgumentError);
  expect(() => writeSafetensors({ __metadata__: tensor([1], [1]) })).toThrow(
    'writeSafetensors: a tensor cannot be called "__metadata__". Give it another name.',
  );
});
