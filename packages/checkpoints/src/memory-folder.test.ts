import { InvalidArgumentError } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { MissingFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';

const folder = memoryFolder({ 'unet/w': Uint8Array.of(0, 1, 2, 3), 'config.json': 'é' }, 'model');

test('files are found, measured and read, whole or in part', async () => {
  expect(await folder.has('unet/w')).toBe(true);
  expect(await folder.size('config.json')).toBe(2);
  expect([...(await folder.read('./unet//w'))]).toEqual([0, 1, 2, 3]);
  expect([...(await folder.read('unet/w', { offset: 1, length: 2 }))]).toEqual([1, 2]);
});

test('a subfolder is a folder', async () => {
  const unet = folder.subfolder('unet');
  expect(unet.name).toBe('model/unet');
  expect(await unet.size('w')).toBe(4);
  expect(await unet.has('config.json')).toBe(false);
});

test('a file is located by its bytes, which are not copied', async () => {
  expect(await folder.subfolder('unet').locate('w')).toEqual({
    kind: 'bytes',
    name: 'model/unet/w',
    bytes: await folder.read('unet/w'),
  });
});

test('a missing file is an error that names it', async () => {
  expect(await folder.has('unet')).toBe(false);
  await expect(folder.read('none')).rejects.toThrow('model: there is no file "none". Check the path.');
  await expect(folder.locate('none')).rejects.toSatisfy(
    (error) => MissingFileError.is(error) && error.folder === 'model' && error.path === 'none',
  );
});

test('a range that the file does not have is refused', async () => {
  await expect(folder.read('unet/w', { offset: 3, length: 2 })).rejects.toThrow(
    'model/unet/w: 2 bytes from byte 3 on were asked for, the file has 4. Ask for bytes that it has.',
  );
});

test('no path leads out of the folder', async () => {
  for (const path of ['..', '../w', 'unet/../../w', '/w', '', '.', 'C:/w', 'unet\\w', 'w\0']) {
    await expect(folder.has(path)).rejects.toSatisfy((error) => InvalidArgumentError.is(error));
  }
  await expect(folder.read('../w')).rejects.toThrow(
    'model: "../w" is not a path inside this folder. Give a relative path with "/" and without "..".',
  );
  expect(() => folder.subfolder('..')).toThrow(InvalidArgumentError);
});
