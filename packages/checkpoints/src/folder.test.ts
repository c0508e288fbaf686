import { expect, test } from 'vitest';
import { InvalidFileError } from './errors.ts';
import { readJson } from './folder.ts';
import { memoryFolder } from './memory-folder.ts';

const read = (text: string | Uint8Array) => readJson(memoryFolder({ 'c.json': text }, 'model'), 'c.json');

test('numbers that only Python writes are read', async () => {
  expect(
    await read('{"lambda_min_clipped": -Infinity, "a": [Infinity, NaN], "b": "Infinity \\" NaN"}'),
  ).toEqual({
    lambda_min_clipped: Number.NEGATIVE_INFINITY,
    a: [Number.POSITIVE_INFINITY, null],
    b: 'Infinity " NaN',
  });
});

test('what is not JSON, or not text, is refused with the name of the file', async () => {
  for (const content of ['', '{"a": Infinity', 'None', Uint8Array.of(0x22, 0xff, 0x22)]) {
    await expect(read(content)).rejects.toThrow(
      'model/c.json: it is not JSON. Download or save the file again.',
    );
  }
  await expect(read('{')).rejects.toSatisfy((error) => InvalidFileError.is(error) && error.path === 'c.json');
});
