import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidFileError, MissingFileError, MissingFolderError, readJson } from '@emulsion/checkpoints';
import { InvalidArgumentError } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openFolder } from './open-folder.ts';

let root: string;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'open-folder-')));
  await mkdir(join(root, 'model', 'unet'), { recursive: true });
  await mkdir(join(root, 'blobs'));
  await writeFile(join(root, 'blobs', 'abc'), Uint8Array.of(0, 1, 2, 3, 4, 5));
  await symlink('../../blobs/abc', join(root, 'model', 'unet', 'weights'));
  await symlink('nowhere', join(root, 'model', 'dangling'));
  await writeFile(join(root, 'model', 'config.json'), '{"a": 1}');
  await writeFile(join(root, 'model', 'broken.json'), '{"a": ');
});

afterAll(() => rm(root, { recursive: true }));

test('files are found, measured and read, whole or in part', async () => {
  const folder = await openFolder(join(root, 'model'));
  expect(await folder.has('unet/weights')).toBe(true);
  expect(await folder.size('unet/weights')).toBe(6);
  expect([...(await folder.read('unet/weights'))]).toEqual([0, 1, 2, 3, 4, 5]);
  expect([...(await folder.read('unet/weights', { offset: 2, length: 3 }))]).toEqual([2, 3, 4]);
  expect((await folder.read('unet/weights', { offset: 6, length: 0 })).length).toBe(0);
  expect(await readJson(folder, './config.json')).toEqual({ a: 1 });
});

test('a subfolder is a folder', async () => {
  const unet = (await openFolder(join(root, 'model'))).subfolder('unet');
  expect(unet.name).toBe(join(root, 'model', 'unet'));
  expect(await unet.size('weights')).toBe(6);
});

test('a file is located where it really lies, out of its folder too', async () => {
  const folder = await openFolder(join(root, 'model'));
  expect(await folder.locate('unet/weights')).toEqual({ kind: 'path', path: join(root, 'blobs', 'abc') });
});

test('what is not a file is missing', async () => {
  const folder = await openFolder(join(root, 'model'));
  for (const path of ['none', 'none/none', 'config.json/none', 'unet', 'dangling']) {
    expect(await folder.has(path)).toBe(false);
    await expect(folder.read(path)).rejects.toSatisfy((error) => MissingFileError.is(error));
  }
  await expect(folder.size('none')).rejects.toThrow(
    `${root}/model: there is no file "none". Check the path.`,
  );
  await expect(folder.subfolder('unet').locate('none')).rejects.toThrow(
    `${root}/model/unet: there is no file "none". Check the path.`,
  );
  await expect(folder.read('unet')).rejects.toThrow(
    `${root}/model: there is no file "unet". What has that name is not a file.`,
  );
});

test('a range that the file does not have is refused', async () => {
  const folder = await openFolder(join(root, 'model'));
  await expect(folder.read('unet/weights', { offset: 4, length: 3 })).rejects.toThrow(
    `${root}/model/unet/weights: 3 bytes from byte 4 on were asked for, the file has 6. Ask for bytes that it has.`,
  );
  for (const range of [
    { offset: -1, length: 2 },
    { offset: 0.5, length: 1 },
    { offset: 0, length: Number.NaN },
  ]) {
    await expect(folder.read('unet/weights', range)).rejects.toSatisfy((error) =>
      InvalidArgumentError.is(error),
    );
  }
});

test('no path leads out of the folder', async () => {
  const folder = await openFolder(join(root, 'model'));
  for (const path of [
    '../blobs/abc',
    'unet/../../blobs/abc',
    '/etc/hostname',
    '',
    '..',
    'a\\..\\b',
    'a\0b',
  ]) {
    await expect(folder.read(path)).rejects.toSatisfy((error) => InvalidArgumentError.is(error));
  }
  expect(() => folder.subfolder('..')).toThrow(
    `${root}/model: ".." is not a path inside this folder. Give a relative path with "/" and without "..".`,
  );
});

test('a folder that is not there is refused, and so is a file in its place', async () => {
  await expect(openFolder(join(root, 'nothing'))).rejects.toThrow(
    `${root}/nothing: there is no such folder. Check the path.`,
  );
  await expect(openFolder(join(root, 'model', 'config.json'))).rejects.toSatisfy((error) =>
    MissingFolderError.is(error),
  );
});

test('a file that is not JSON is named', async () => {
  const folder = await openFolder(join(root, 'model'));
  await expect(readJson(folder, 'broken.json')).rejects.toSatisfy((error) => InvalidFileError.is(error));
  await expect(readJson(folder, 'broken.json')).rejects.toThrow(
    `${root}/model/broken.json: it is not JSON. Download or save the file again.`,
  );
});

test('a slash behind its path is no part of its name', async () => {
  const path = join(root, 'model');
  expect((await openFolder(`${path}/`)).name).toBe(path);
  expect((await openFolder('/')).name).toBe('/');
});
