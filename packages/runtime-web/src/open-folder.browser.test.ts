import { expect, test } from 'vitest';
import { openFolder } from './open-folder.ts';

test('a directory handle is a folder', async () => {
  const root = await navigator.storage.getDirectory();
  const unet = await root.getDirectoryHandle('unet', { create: true });
  const writable = await (await unet.getFileHandle('weights', { create: true })).createWritable();
  await writable.write('012345');
  await writable.close();
  const folder = openFolder(root, 'model');
  expect(await folder.has('unet/weights')).toBe(true);
  for (const path of ['none', 'none/none', 'unet', 'unet/weights/none'])
    expect(await folder.has(path)).toBe(false);
  const inner = folder.subfolder('unet');
  expect(await inner.size('weights')).toBe(6);
  expect(new TextDecoder().decode(await inner.read('weights', { offset: 2, length: 3 }))).toBe('234');
  const located = await inner.locate('weights');
  expect(located.kind === 'blob' && located.blob).toBeInstanceOf(File);
  await expect(folder.read('none')).rejects.toThrow('model: there is no file "none". Check the path.');
});
