/// <reference types="node" />
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { TemporaryFiles } from './temporary-files.ts';

test('parts are written behind each other, and removed with all files', async () => {
  const files = new TemporaryFiles();
  const first = await files.write([Uint8Array.of(1, 2), Uint8Array.of(3)]);
  const second = await files.write([]);
  expect([...(await readFile(first))]).toEqual([1, 2, 3]);
  expect(dirname(second)).toBe(dirname(first));
  await files.remove();
  expect(existsSync(dirname(first))).toBe(false);
  await files.remove();
});
