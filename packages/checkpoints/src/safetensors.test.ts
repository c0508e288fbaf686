import { expect, test } from 'vitest';
import { InvalidFileError, MissingFileError, UnsupportedFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';
import { openSafetensors, readSafetensorsHeader } from './safetensors.ts';

/** A file with this header and so many bytes of data. */
function file(header: unknown, dataLength: number, headerLength?: number | bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const open = (bytes: Uint8Array) =>
  openSafetensors(memoryFolder({ 'unet.safetensors': bytes }, 'model'), 'unet.safetensors');

/** Expects the file to be refused, and its error to say this of it. */
async function refused(bytes: Uint8Array, problem: string) {
  await expect(open(bytes)).rejects.toSatisfy((error) => InvalidFileError.is(error));
  await expect(open(bytes)).rejects.toThrow(
    `model/unet.safetensors: ${problem}. Download or save the file again.`,
  );
}

const f32 = (shape: unknown, ...data_offsets: unknown[]) => ({ dtype: 'F32', shape, data_offsets });

test('names, types, shapes and places are read from the header', async () => {
  const bytes = file({ b: { dtype: 'BF16', shape: [3], data_offsets: [8, 14] }, a: f32([1, 2], 0, 8) }, 14);
  const folder = memoryFolder({ 'unet.safetensors': bytes });
  const weights = await openSafetensors(folder, 'unet.safetensors');
  expect([...weights.keys()]).toEqual(['a', 'b']);
  const located = await folder.locate('unet.safetensors');
  expect(weights.get('a')).toEqual({
    name: 'a',
    dtype: 'float32',
    dims: [1, 2],
    path: 'unet.safetensors',
    range: { file: located, offset: bytes.length - 14, length: 8 },
  });
  expect(weights.get('b')).toMatchObject({
    dtype: 'bfloat16',
    range: { offset: bytes.length - 6, length: 6 },
  });
});

test('the notes of the writer are read', async () => {
  const folder = memoryFolder({ f: file({ __metadata__: { format: 'pt' } }, 0) });
  const { metadata, weights } = await readSafetensorsHeader(folder, 'f');
  expect([...metadata]).toEqual([['format', 'pt']]);
  expect(weights.size).toBe(0);
});

test('only the header is read', async () => {
  const reads: (number | undefined)[] = [];
  const folder = memoryFolder({ f: file({ a: f32([250], 0, 1000) }, 1000) });
  const watched = {
    ...folder,
    read: (path: string, range?: { offset: number; length: number }) => {
      reads.push(range?.length);
      return folder.read(path, range);
    },
  };
  const { weights } = await readSafetensorsHeader(watched, 'f');
  expect(reads).toEqual([8, weights.get('a')!.range.offset - 8]);
});

test('scalars, empty tensors and padding are part of the format', async () => {
  const header = { s: f32([], 0, 4), e: f32([0, 5], 4, 4), t: f32([1], 4, 8) };
  const weights = await open(file(`${JSON.stringify(header)}    `, 8));
  expect(weights.get('s')!.dims).toEqual([]);
  expect(weights.get('e')!.range.length).toBe(0);
});

test('names that objects have anyway are names like any other', async () => {
  const header =
    '{"__proto__": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "constructor": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}';
  expect([...(await open(file(header, 8))).keys()]).toEqual(['__proto__', 'constructor']);
});

test('a file that is not there is missing', async () => {
  await expect(openSafetensors(memoryFolder({}), 'none')).rejects.toSatisfy((error) =>
    MissingFileError.is(error),
  );
});

test('a file that is cut short is told from one that is not', async () => {
  await refused(new Uint8Array(3), 'it has 3 bytes, too few for a safetensors file');
  const whole = file({ a: f32([4], 0, 16) }, 16);
  const dataStart = whole.length - 16;
  await refused(
    whole.subarray(0, 20),
    `it is cut short: the header ends at byte ${dataStart}, the file at 20`,
  );
  await refused(
    whole.subarray(0, dataStart + 5),
    `it is cut short: the last tensor ends at byte ${dataStart + 16}, the file at ${dataStart + 5}`,
  );
  await refused(
    file({ a: f32([4], 0, 16) }, 19),
    '3 bytes follow the last tensor, which the header leaves out',
  );
});

test('another format is recognised by its first bytes', async () => {
  const zip = new TextEncoder().encode('PK\u0003\u0004 a checkpoint in a zip file');
  await refused(
    zip,
    'its first 8 bytes announce a header of 7142815799143779152 bytes, more than the 100000000 that are allowed: this is not a safetensors file',
  );
  await refused(
    file('{}', 0, 2n ** 64n - 1n),
    'its first 8 bytes announce a header of 18446744073709551615 bytes, more than the 100000000 that are allowed: this is not a safetensors file',
  );
});

test('the pointer that Git LFS leaves in place of a large file is recognised', async () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n';
  await refused(new TextEncoder().encode(pointer), 'it is a pointer of Git LFS, not the file itself');
});

test('a header that is not a JSON object is refused', async () => {
  await refused(file('{"a": ', 0), 'its header is not JSON');
  await refused(file('', 0), 'its header is not JSON');
  await refused(file('[]', 0), 'its header is not a JSON object');
  await refused(file('null', 0), 'its header is not a JSON object');
  const latin1 = file('{"é": 1}', 0);
  latin1[10] = 0xe9;
  await refused(latin1, 'its header is not JSON');
});

test('a name that comes twice is refused, however it is written', async () => {
  const entry = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}';
  await refused(file(`{"a": ${entry}, "b": 1, "a" : ${entry}}`, 4), 'its header has "a" twice');
  await refused(file(`{"é\\"": ${entry}, "\\u00e9\\"": ${entry}}`, 4), 'its header has "é\\"" twice');
  const nested = { a: f32([1], 0, 4), dtype: f32([1], 4, 8) };
  expect((await open(file(nested, 8))).size).toBe(2);
});

test('entries that say too little or nonsense are refused', async () => {
  await refused(file({ a: 5 }, 0), 'its header\'s "a" is not an object');
  await refused(file({ a: { shape: [], data_offsets: [0, 4] } }, 4), 'its header\'s "a" has no "dtype"');
  await refused(
    file({ a: { dtype: 'toString', shape: [], data_offsets: [0, 4] } }, 4),
    'its header\'s "a" has the unknown "dtype" "toString"',
  );
  for (const shape of [undefined, '4', [1.5], [-1], [null], [2 ** 53]]) {
    await refused(
      file({ a: f32(shape, 0, 4) }, 4),
      'its header\'s "a" has no "shape" that is a list of whole numbers',
    );
  }
  for (const offsets of [[0], [0, 4, 8], [-4, 0], ['0', '4'], [0, 1e300], []]) {
    await refused(
      file({ a: f32([1], ...offsets) }, 4),
      'its header\'s "a" has no "data_offsets" that are two whole numbers',
    );
  }
  await refused(file({ __metadata__: [] }, 0), '"__metadata__" in its header is not an object');
  await refused(file({ __metadata__: { a: 1 } }, 0), '"__metadata__" has a "a" that is not a string');
});

test('sizes that do not agree are refused', async () => {
  await refused(
    file({ a: f32([2, 3], 0, 20) }, 20),
    '"a", F32 [2, 3], takes 24 bytes, its "data_offsets" are 0 and 20',
  );
  await refused(
    file({ a: f32([1], 4, 0) }, 4),
    '"a", F32 [1], takes 4 bytes, its "data_offsets" are 4 and 0',
  );
  await refused(
    file({ a: f32([2 ** 52, 2 ** 52, 0], 0, 0) }, 0),
    '"a" is too large: F32 [4503599627370496, 4503599627370496, 0]',
  );
});

test('tensors that overlap or leave a gap are refused', async () => {
  await refused(
    file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8),
    '"b" overlaps the tensor before it: it starts at byte 4 of the data instead of 8',
  );
  await refused(
    file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
    '"b" leaves a gap before it: it starts at byte 8 of the data instead of 4',
  );
  await refused(
    file({ a: f32([1], 4, 8) }, 8),
    '"a" leaves a gap before it: it starts at byte 4 of the data instead of 0',
  );
});

test('element types that are not read are named, with a way out', async () => {
  for (const dtype of ['F8_E4M3', 'F8_E5M2', 'C64', 'F4', 'F6_E2M3']) {
    const bytes = file({ a: { dtype, shape: [4], data_offsets: [0, 4] } }, 4);
    await expect(open(bytes)).rejects.toSatisfy((error) => UnsupportedFileError.is(error));
    await expect(open(bytes)).rejects.toThrow(
      `model/unet.safetensors: "a" has elements of type ${dtype}, which are not read. Use a copy of the model with weights in F32, F16 or BF16.`,
    );
  }
});

test('a long name is cut in messages', async () => {
  const error: unknown = await open(file({ ['x'.repeat(5000)]: 1 }, 0)).catch((reason: unknown) => reason);
  expect(String(error).length).toBeLessThan(300);
});

test('a header of 100,000 nested lists is refused, and quickly', async () => {
  const start = performance.now();
  const depth = 100_000;
  await expect(open(file(`{"a": ${'['.repeat(depth)}${']'.repeat(depth)}}`, 0))).rejects.toSatisfy((error) =>
    InvalidFileError.is(error),
  );
  expect(performance.now() - start).toBeLessThan(1000);
});
