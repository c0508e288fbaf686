import { MissingFileError, readJson } from '@emulsion/checkpoints';
import { expect, test } from 'vitest';
import { openFolder } from './open-folder.ts';

/** A file as `<input webkitdirectory>` gives it. */
function chosen(webkitRelativePath: string, content: string): File {
  const file = new File([content], webkitRelativePath.split('/').at(-1)!);
  return Object.defineProperty(file, 'webkitRelativePath', { value: webkitRelativePath });
}

const files = [chosen('model/config.json', '{"a": 1}'), chosen('model/unet/weights', '012345')];

/** A folder as it is dropped on a page, with these files. */
const dropped = {
  name: 'model',
  getFile: (
    path: string,
    _: unknown,
    resolve: (entry: object) => void,
    reject: (error: DOMException) => void,
  ) => {
    const file = files.find(({ webkitRelativePath }) => webkitRelativePath === `model/${path}`);
    if (file) resolve({ file: (give: (file: File) => void) => give(file) });
    else reject(new DOMException('none', 'NotFoundError'));
  },
} as unknown as FileSystemDirectoryEntry;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test.each([
  ['chosen', openFolder(files)],
  ['dropped', openFolder(dropped)],
])('files that were %s are found, measured and read, whole or in part', async (_, folder) => {
  expect(folder.name).toBe('model');
  expect(await readJson(folder, 'config.json')).toEqual({ a: 1 });
  const unet = folder.subfolder('unet');
  expect(unet.name).toBe('model/unet');
  expect(await unet.has('weights')).toBe(true);
  expect(await unet.size('./weights')).toBe(6);
  expect(text(await unet.read('weights', { offset: 2, length: 3 }))).toBe('234');
  const located = await folder.locate('unet/weights');
  expect(located).toMatchObject({ kind: 'blob', name: 'model/unet/weights' });
  expect(located.kind === 'blob' && located.blob).toBe(files[1]);
});

test.each([
  ['chosen', openFolder(files)],
  ['dropped', openFolder(dropped)],
])('what was not %s is missing', async (_, folder) => {
  expect(await folder.has('unet')).toBe(false);
  await expect(folder.subfolder('vae').read('weights')).rejects.toThrow(
    'model/vae: there is no file "weights". Check the path.',
  );
  await expect(folder.locate('none')).rejects.toSatisfy((error) => MissingFileError.is(error));
  await expect(folder.read('../none')).rejects.toThrow('is not a path inside this folder');
  await expect(folder.read('config.json', { offset: 0, length: 9 })).rejects.toThrow('the file has 8.');
});

test('files without a folder lie side by side, and messages call them as one likes', async () => {
  const folder = openFolder(
    [chosen('', 'x')].map((file) => new File([file], 'a.json')),
    'mine',
  );
  expect(folder.name).toBe('mine');
  expect(await folder.size('a.json')).toBe(1);
});

test('a file that changed since it was chosen is named', async () => {
  const file = chosen('model/w', 'x');
  file.arrayBuffer = () => Promise.reject(new DOMException('it was changed', 'NotReadableError'));
  await expect(openFolder([file]).read('w')).rejects.toThrow(
    'model/w: it cannot be read (it was changed). Check its permissions and the disk.',
  );
});
