import { expect, test } from 'vitest';
import { memoryFolder } from './memory-folder.ts';
import { readTensor } from './read-tensor.ts';
import { openSafetensors } from './safetensors.ts';

/** A file with one tensor `x` of one dimension, from its bytes. */
async function values(dtype: string, bytes: ArrayBufferView<ArrayBuffer>) {
  const data = new Uint8Array(bytes.buffer);
  const [length] = 'length' in bytes && typeof bytes.length === 'number' ? [bytes.length] : [0];
  // The header has an odd length, so that the tensor lies at an address of no typed array.
  let json = JSON.stringify({ x: { dtype, shape: [length], data_offsets: [0, data.length] } });
  if (json.length % 2 === 0) json += ' ';
  const header = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + header.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  file.set(data, 8 + header.length);
  const folder = memoryFolder({ f: file });
  const x = await readTensor(folder, (await openSafetensors(folder, 'f')).get('x')!);
  expect(x.dtype).toBe('float32');
  expect(x.dims).toEqual([length]);
  return [...x.data];
}

test('every element type becomes float32', async () => {
  expect(await values('F32', Float32Array.of(1.5, -0, Number.NaN))).toEqual([1.5, -0, Number.NaN]);
  expect(await values('F64', Float64Array.of(0.1, -2))).toEqual([Math.fround(0.1), -2]);
  expect(await values('F16', Uint16Array.of(0x3c00, 0xc100, 0x0001, 0x7c00))).toEqual([
    1,
    -2.5,
    2 ** -24,
    Number.POSITIVE_INFINITY,
  ]);
  expect(await values('BF16', Uint16Array.of(0x3f80, 0xc020, 0x0001, 0xff80))).toEqual([
    1,
    -2.5,
    2 ** -133,
    Number.NEGATIVE_INFINITY,
  ]);
  expect(await values('I8', Int8Array.of(-128, 127))).toEqual([-128, 127]);
  expect(await values('U8', Uint8Array.of(0, 255))).toEqual([0, 255]);
  expect(await values('I16', Int16Array.of(-32768, 258))).toEqual([-32768, 258]);
  expect(await values('U16', Uint16Array.of(65535, 258))).toEqual([65535, 258]);
  expect(await values('I32', Int32Array.of(-(2 ** 31), 258))).toEqual([-(2 ** 31), 258]);
  expect(await values('U32', Uint32Array.of(2 ** 31, 258))).toEqual([2 ** 31, 258]);
  expect(await values('I64', BigInt64Array.of(-(2n ** 60n), 258n))).toEqual([-(2 ** 60), 258]);
  expect(await values('U64', BigUint64Array.of(2n ** 63n, 258n))).toEqual([2 ** 63, 258]);
  expect(await values('BOOL', Uint8Array.of(0, 1, 255))).toEqual([0, 1, 1]);
});

test('a weight of another dtype is not changed by its place in the file', async () => {
  const x = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
  expect(await values('F32', x)).toEqual([...x]);
});
