import {
  type Folder,
  memoryFolder,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import { encodePng, ImageError } from '@emulsion/image';
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { beforeAll, expect, test } from 'vitest';
import { readTextualInversion } from './read-textual-inversion.ts';

let golden: Folder;
let cards: Folder;
let recorded: (id: string) => Promise<Tensor>;
beforeAll(async () => {
  golden = await openFixture('golden/open/adapters');
  cards = await openFixture('embeddings');
  const arrays = await openSafetensors(golden, 'textual_inversion.safetensors');
  recorded = (id) => readTensor(golden, arrays.get(`${id}.embedding`)!);
});

/** Files of the recorded embeddings, and what prompts name them by. */
const files = [
  ['ti1', 'ti_my-emb1_a1111.pt', 'ti_my-emb1_a1111'],
  ['ti1', 'ti_my-emb1_a1111_legacy.pt', 'ti_my-emb1_a1111_legacy'],
  ['ti1', 'ti_my-emb1_a1111_paramdict.pt', 'ti_my-emb1_a1111_paramdict'],
  ['ti1', 'ti_my-emb1_a1111.safetensors', 'ti_my-emb1_a1111'],
  ['ti1', 'ti_my-emb1_diffusers.bin', '<my-emb1>'],
  ['ti1', 'ti_my-emb1_diffusers.safetensors', '<my-emb1>'],
  ['ti3', 'ti_my-emb3_a1111.pt', 'ti_my-emb3_a1111'],
  ['ti3', 'ti_my-emb3_a1111.safetensors', 'ti_my-emb3_a1111'],
  ['ti3', 'ti_my-emb3_diffusers.bin', '<my-emb3>'],
  ['ti3', 'ti_my-emb3_diffusers.safetensors', '<my-emb3>'],
] as const;

test.each(files)('%s is read from %s', async (id, file, name) => {
  const embedding = await readTextualInversion(golden, `files/${file}`);
  expect(embedding.name).toBe(name);
  expect(embedding.encoders).toEqual([{ vectors: await recorded(id) }]);
});

test.each(['text-card.png', 'hidden-card.png'])('%s is read, and goes by the name in it', async (file) => {
  const { name, encoders, step, notes } = await readTextualInversion(cards, file);
  expect({ name, step, notes }).toEqual({ name: 'my-emb3', step: 500, notes: [] });
  const [{ vectors } = { vectors: zeros([0]) }] = encoders;
  expect(vectors).toEqual(await recorded('ti3'));
});

test('half precision is widened', async () => {
  const [half] = (await readTextualInversion(golden, 'files/ti_my-emb1_half.bin')).encoders;
  const { data } = await recorded('ti1');
  const difference = data.map((value, i) => Math.abs(value - half!.vectors.data[i]!));
  expect(Math.max(...difference)).toBeLessThan(1e-3);
  expect(Math.max(...difference)).toBeGreaterThan(0);
});

test('what A1111 notes is kept, and another name is said', async () => {
  const path = 'files/ti_my-emb1_a1111_paramdict.pt';
  const { step, checkpointHash, checkpointName, notes } = await readTextualInversion(golden, path);
  expect({ step, checkpointHash, checkpointName }).toEqual({
    step: 500,
    checkpointHash: 'abcd1234',
    checkpointName: 'tiny',
  });
  expect(notes).toEqual(['It was saved as "my-emb1"; here prompts name it by "ti_my-emb1_a1111_paramdict".']);
  const named = await readTextualInversion(golden, path, { name: 'my-emb1' });
  expect(named).toMatchObject({ name: 'my-emb1', notes: [] });
});

test('the tensors of Stable Diffusion XL and Flux are told apart by their keys', async () => {
  const [clipL, clipG, t5] = [tensor([1, 2], [1, 2]), tensor([1, 2, 3], [1, 3]), tensor([4], [1])];
  const folder = memoryFolder({
    'style/xl.safetensors': writeSafetensors({ clip_l: clipL, clip_g: clipG, clip_l_out: clipL }),
    'flux_emb.safetensors': writeSafetensors({ clip_l: clipL, t5 }),
  });
  const xl = await readTextualInversion(folder, 'style/xl.safetensors');
  expect(xl.name).toBe('xl');
  expect(xl.encoders).toContainEqual({ encoder: 'clip-l', vectors: clipL });
  expect(xl.encoders).toContainEqual({ encoder: 'clip-g', vectors: clipG });
  expect(xl.notes).toEqual(['It has more than is used: clip_l_out.']);
  const { encoders } = await readTextualInversion(folder, 'flux_emb.safetensors');
  expect(encoders).toContainEqual({ encoder: 't5', vectors: tensor([4], [1, 1]) });
});

test('keys that are no token are not taken for one, whatever is beside them', async () => {
  const vectors = tensor([1, 2], [1, 2]);
  const folder = memoryFolder({
    'more.safetensors': writeSafetensors({ emb_params: vectors, notes: tensor([1], [1]) }),
    'copied.safetensors': writeSafetensors({ 'string_to_param.*': vectors }),
  });
  const more = await readTextualInversion(folder, 'more.safetensors');
  expect(more).toMatchObject({
    name: 'more',
    encoders: [{ vectors }],
    matched: ['emb_params'],
    unused: ['notes'],
  });
  expect(await readTextualInversion(folder, 'copied.safetensors')).toMatchObject({
    name: 'copied',
    notes: [],
  });
});

test('files that hold no embedding are refused', async () => {
  const picture = { width: 6, height: 2, channels: 3 as const, data: new Uint8Array(36).fill(77) };
  const striped = {
    ...picture,
    data: picture.data.map((value, i) => ([3, 4, 5, 9, 10, 11].includes(i % 18) ? 64 : value)),
  };
  const folder = memoryFolder({
    'two.safetensors': writeSafetensors({ a: tensor([1], [1]), b: tensor([1], [1]) }),
    'kernel.safetensors': writeSafetensors({ a: tensor([1], [1, 1, 1, 1]) }),
    'picture.png': encodePng(picture),
    'striped.png': encodePng(striped),
  });
  for (const path of ['two.safetensors', 'kernel.safetensors', 'picture.png', 'striped.png']) {
    await expect(readTextualInversion(folder, path)).rejects.toThrow(
      `memory/${path}: it holds no embedding. Give a .pt, .bin or .safetensors of A1111 or diffusers, or a PNG that A1111 has saved one in.`,
    );
  }
  await expect(readTextualInversion(golden, 'files/hn_old_format.pt')).rejects.toThrow(
    'it holds no embedding',
  );
});

test('damaged files, and pickles that would run code, are refused', async () => {
  const [pt, card] = [await golden.read('files/ti_my-emb1_a1111.pt'), await cards.read('text-card.png')];
  const picture = { width: 1, height: 1, channels: 3 as const, data: new Uint8Array(3) };
  const withText = (text: string) => encodePng(picture, { text: { 'sd-ti-embedding': text } });
  const folder = memoryFolder({
    'short.pt': pt.subarray(0, pt.length / 2),
    'empty.pt': '',
    'empty.safetensors': '',
    'short.png': card.subarray(0, 300),
    'signs.png': withText('{}'),
    'json.png': withText(btoa('{"string_to_param"')),
    'deep.png': withText(
      btoa(`{"string_to_param": {"*": {"TORCHTENSOR": ${'['.repeat(5000)}${']'.repeat(5000)}}}}`),
    ),
    'ragged.png': withText(btoa('{"string_to_param": {"*": {"TORCHTENSOR": [[1, 2], [3]]}}}')),
  });
  for (const path of ['short.pt', 'empty.pt', 'empty.safetensors']) {
    await expect(readTextualInversion(folder, path)).rejects.toThrow(
      new RegExp(`^memory/${path}: .*\\. Download or save the file again\\.$`),
    );
  }
  await expect(readTextualInversion(folder, 'short.png')).rejects.toThrow(ImageError);
  for (const path of ['signs.png', 'json.png', 'deep.png', 'ragged.png']) {
    await expect(readTextualInversion(folder, path)).rejects.toThrow(
      `memory/${path}: the embedding in its text is damaged. Download or save the file again.`,
    );
  }
  const hostile = await openFixture('pytorch');
  await expect(readTextualInversion(hostile, 'hostile-zip.pt')).rejects.toThrow(
    /which weights are not made of; nothing in it was run/,
  );
});
