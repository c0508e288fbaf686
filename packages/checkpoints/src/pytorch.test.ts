/// <reference types="node" />
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { InvalidFileError, UnsupportedFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';
import { isPickledWeight, openPytorch, readPytorch } from './pytorch.ts';
import { readTensor } from './read-tensor.ts';
import { unpickle } from './unpickle.ts';

const fixtures = new URL('../../../fixtures/', import.meta.url);
const load = async (path: string) => new Uint8Array(await readFile(new URL(path, fixtures)));
const folderOf = async (path: string) => memoryFolder({ f: await load(path) }, 'model');
const range = (length: number, start = 0) => Array.from({ length }, (_, i) => start + i);

/** What the program in fixtures/pytorch/README.md saves. */
const saved: Readonly<Record<string, [dtype: string, dims: number[], values: number[]]>> = {
  conv: ['float32', [2, 3, 2, 2], range(24)],
  half: ['float16', [2], [0.5, -2]],
  brain: ['bfloat16', [2, 1], [1, 3]],
  ids: ['int64', [5], range(5)],
  scalar: ['float32', [], [7]],
  empty: ['float32', [0, 4], []],
  parameter: ['float32', [2], [1, 2]],
  transposed: ['float32', [3, 2], [0, 3, 1, 4, 2, 5]],
  channels_last: ['float32', [1, 2, 3, 4], range(24)],
  part: ['float32', [3], [3, 4, 5]],
  tied: ['float32', [2, 3, 2, 2], range(24)],
};

test.each(['zip', 'protocol-4', 'legacy', 'plain'])(
  'the tensors of %s.pt have the values that were saved',
  async (name) => {
    const folder = await folderOf(`pytorch/${name}.pt`);
    const weights = await openPytorch(folder, 'f');
    expect([...weights.keys()].toSorted()).toEqual(Object.keys(saved).toSorted());
    for (const [key, [dtype, dims, values]] of Object.entries(saved)) {
      const weight = weights.get(key)!;
      expect(weight).toMatchObject({ name: key, dtype, dims, path: 'f' });
      expect([...(await readTensor(folder, weight)).data], key).toEqual(values);
    }
  },
);

test('a tensor in row-major order is a range of the file, one in another order a copy', async () => {
  const folder = await folderOf('pytorch/zip.pt');
  const weights = await openPytorch(folder, 'f');
  const file = await folder.locate('f');
  expect(weights.get('conv')!.range.file).toEqual(file);
  expect(weights.get('conv')!.range).toEqual(weights.get('tied')!.range);
  expect(weights.get('conv')!.range.offset % 64).toBe(0); // where PyTorch aligns storages
  expect(weights.get('transposed')!.range).toMatchObject({ offset: 0, length: 24 });
  expect(weights.get('transposed')!.range.file).not.toEqual(file);
});

test('what lies beside the weights is read too', async () => {
  for (const name of ['zip', 'protocol-4', 'legacy']) {
    const root = await readPytorch(await folderOf(`pytorch/${name}.pt`), 'f');
    if (!(root instanceof Map)) throw new Error('the file holds a dict');
    expect(Object.fromEntries([...root].filter(([key]) => !['state_dict', 'hyper'].includes(key)))).toEqual({
      global_step: 470000,
      epoch: 2.5,
      big: 2n ** 70n,
      none: null,
      pair: [1, 'é'],
    });
    expect(root.get('hyper').get('list')).toEqual([true, false, -1, 300, 70000]);
    expect(isPickledWeight(root.get('state_dict').get('conv'))).toBe(true);
    expect(isPickledWeight(root.get('epoch'))).toBe(false);
  }
});

test("a module's own notes are no weights", async () => {
  const weights = await openPytorch(await folderOf('pytorch/module.pt'), 'f');
  expect([...weights].map(([name, { dims }]) => [name, dims])).toEqual([
    ['0.weight', [2, 2]],
    ['0.bias', [2]],
  ]);
});

test('embeddings and hypernetworks of A1111 are read, parameters and numbered layers included', async () => {
  const files = 'golden/open/adapters/files/';
  for (const name of ['a1111', 'a1111_legacy', 'a1111_paramdict']) {
    const folder = await folderOf(`${files}ti_my-emb1_${name}.pt`);
    const found: number[][] = [];
    const visit = async (value: unknown): Promise<void> => {
      if (isPickledWeight(value)) found.push([...(await readTensor(folder, value)).data]);
      else if (value instanceof Map) for (const item of value.values()) await visit(item);
      else if (value && typeof value === 'object' && 'state' in value) await visit(value.state);
    };
    await visit(await readPytorch(folder, 'f'));
    expect(found).toHaveLength(1);
    expect(found[0]).toHaveLength(32);
  }
  const root = await readPytorch(await folderOf(`${files}hn_relu_ln.pt`), 'f');
  const layers = root instanceof Map ? root.get(32) : undefined;
  expect(layers).toHaveLength(2);
  expect(isPickledWeight(layers[0].get('linear.0.weight'))).toBe(true);
});

test.each(['hostile-zip', 'hostile-legacy', 'hostile-pickle'])(
  '%s.pt runs nothing and names what it wanted',
  async (name) => {
    const opened = openPytorch(await folderOf(`pytorch/${name}.pt`), 'f');
    await expect(opened).rejects.toSatisfy(UnsupportedFileError.is.bind(UnsupportedFileError));
    await expect(opened).rejects.toThrow(
      'model/f: its pickle names "posix.system", which weights are not made of; nothing in it was run. If you trust its source, have the model saved with safetensors.',
    );
    expect(existsSync('hostile-was-run')).toBe(false);
  },
);

test.each<[what: string, bytes: string | Uint8Array, problem: string]>([
  ['text', 'version https://git-lfs', 'it is not a file of torch.save'],
  ['nothing', '', 'it is not a file of torch.save'],
  ['another pickle', Uint8Array.of(0x4b, 1, 0x2e), 'it is not a file of torch.save'],
  [
    'the start of an archive',
    'PK\x03\x04',
    'it begins as a ZIP archive, but has no directory at its end: it is cut short',
  ],
])('%s is refused', async (_, bytes, problem) => {
  const opened = openPytorch(memoryFolder({ f: bytes }, 'model'), 'f');
  await expect(opened).rejects.toSatisfy(InvalidFileError.is.bind(InvalidFileError));
  await expect(opened).rejects.toThrow(`model/f: ${problem}. Download or save the file again.`);
});

test('a file that is cut short says so', async () => {
  const legacy = await load('pytorch/legacy.pt');
  const open = (bytes: Uint8Array) => openPytorch(memoryFolder({ f: bytes }, 'model'), 'f');
  await expect(open(legacy.slice(0, -1))).rejects.toThrow(
    /^model\/f: it is cut short: it has not the \d+ elements/,
  );
  await expect(open(legacy.slice(0, 300))).rejects.toThrow('model/f: its pickle is cut short.');
  await expect(open((await load('pytorch/zip.pt')).slice(0, -1))).rejects.toThrow('it is cut short');
});

test('a compressed archive is refused, as PyTorch writes none', async () => {
  const bytes = await load('pytorch/module.pt');
  // The compression of each entry, in the directory.
  for (let at = 0; at < bytes.length - 4; at++) {
    if (bytes[at] === 0x50 && bytes[at + 1] === 0x4b && bytes[at + 2] === 1 && bytes[at + 3] === 2)
      bytes[at + 10] = 8;
  }
  await expect(openPytorch(memoryFolder({ f: bytes }, 'model'), 'f')).rejects.toThrow(
    "is compressed, which PyTorch's own files never are. Save the model again with torch.save or safetensors.",
  );
});

test('a pickle that would copy a long list again and again is stopped', async () => {
  const text = (value: string) => [...value].map((character) => character.charCodeAt(0));
  const bytes = Uint8Array.from([
    ...[0x28, ...Array(90_000).fill(0x4e), 0x6c, 0x71, 0], // a list of 90,000 nulls, put aside
    // A set of it, dropped at once, and so on: 7 bytes each.
    ...Array.from({ length: 1000 }, () => [...text('cbuiltins\nset\n'), 0x68, 0, 0x85, 0x52, 0x30]).flat(),
    ...[0x4e, 0x2e],
  ]);
  const options = {
    global:
      () =>
      ([items]: readonly unknown[]) =>
        new Set(items as unknown[]),
    persistent: () => 0,
  };
  expect(() => unpickle(bytes, 0, options)).toThrow('its pickle takes more than 1000000 steps');
});

test('a pickle that would fill the memory is stopped', async () => {
  const bytes = new Uint8Array(3_000_000).fill(0x7d); // an empty dict for each byte
  await expect(openPytorch(memoryFolder({ f: bytes }, 'model'), 'f')).rejects.toThrow(
    'it is not a file of torch.save',
  );
});
