import {
  type Folder,
  memoryFolder,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import { type Tensor, tensor, zeros } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { beforeAll, expect, test } from 'vitest';
import { applyHypernetwork } from './apply-hypernetwork.ts';
import { readHypernetwork } from './read-hypernetwork.ts';
import { writeHypernetwork } from './write-hypernetwork.ts';

let fixtures: Folder;
beforeAll(async () => {
  fixtures = await openFixture('golden/open/adapters');
});

/** Recorded cases: the file, the width of the recorded context, and what the file says that others do not. */
const cases = [
  ['default_linear', 16, { activation: 'linear', activateOutput: false, step: 1000 }],
  ['relu_ln', 16, { activation: 'relu', isLayerNorm: true }],
  ['swish_dropout', 32, { activation: 'swish', activateOutput: true, dropoutStructure: [0, 0.3, 0.3, 0] }],
  ['mish_deep', 16, { layerStructure: [1, 1.5, 2, 1], dropoutStructure: [0, 0.3, 0, 0] }],
  ['dropstruct_ln_tanh', 32, { dropoutStructure: [0, 0.05, 0.15, 0], isLayerNorm: true }],
  ['old_format', 32, { layerStructure: [1, 2, 1], activation: 'linear', step: 100 }],
  ['no_activate_output_key', 32, { activation: 'leakyrelu', activateOutput: true }],
  ['elu_half', 16, { activation: 'elu', dtype: 'float16' }],
  ['relu_cross_only', 32, { layerStructure: [1, 1, 1] }],
] as const;

const largestDifference = (a: Tensor, b: Tensor) => {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b.data[i]!)), 0);
};

test.each(cases)('%s is read, and changes keys and values as recorded', async (id, width, settings) => {
  const hypernetwork = await readHypernetwork(fixtures, `files/hn_${id}.pt`);
  expect(hypernetwork).toMatchObject({ name: id, ...settings });
  const arrays = await openSafetensors(fixtures, 'hypernetwork.safetensors');
  const array = (name: string) => readTensor(fixtures, arrays.get(`${id}.${name}`)!);
  const { key, value } = hypernetwork.widths.get(width)!;
  const context = await array('in.context');
  expect(largestDifference(applyHypernetwork(key, context, 0.8), await array('k_context'))).toBeLessThan(
    1e-5,
  );
  expect(largestDifference(applyHypernetwork(value, context, 0.8), await array('v_context'))).toBeLessThan(
    1e-5,
  );
  expect(applyHypernetwork(key, context, 0)).toEqual(context);
});

test.each(cases)('%s comes back from safetensors as it was', async (id) => {
  const { notes: _, ...hypernetwork } = await readHypernetwork(fixtures, `files/hn_${id}.pt`);
  const bytes = writeHypernetwork({ ...hypernetwork, notes: [] });
  const folder = memoryFolder({ 'other-name.safetensors': bytes });
  expect(await readHypernetwork(folder, 'other-name.safetensors')).toEqual({ ...hypernetwork, notes: [] });
  const dtypes = [...(await openSafetensors(folder, 'other-name.safetensors')).values()].map(
    ({ dtype }) => dtype,
  );
  expect(new Set(dtypes)).toEqual(new Set([hypernetwork.dtype]));
});

test("safetensors have A1111's names of parameters, which count activations and dropout", async () => {
  const hypernetwork = await readHypernetwork(fixtures, 'files/hn_swish_dropout.pt');
  const folder = memoryFolder({ 'a.safetensors': writeHypernetwork(hypernetwork) });
  const names = [...(await openSafetensors(folder, 'a.safetensors')).keys()];
  expect(names.filter((name) => name.startsWith('32.key.')).sort()).toEqual(
    [0, 3, 6].flatMap((index) => [`32.key.linear.${index}.bias`, `32.key.linear.${index}.weight`]),
  );
});

test('a file that leaves open whether its output is activated is read as A1111 reads it, which is said', async () => {
  const { notes } = await readHypernetwork(fixtures, 'files/hn_no_activate_output_key.pt');
  expect(notes).toEqual(['The file does not say whether its output is activated; it is, as A1111 takes it.']);
  expect((await readHypernetwork(fixtures, 'files/hn_old_format.pt')).notes).toEqual([]);
});

test('a learned slope is used in place of the initial one', () => {
  const weight = tensor([0.5], [1]);
  const context = tensor([-2, 3], [1, 2]);
  const changed = applyHypernetwork([{ kind: 'activation', name: 'prelu', weight }], context);
  expect(changed).toEqual(tensor([-3, 6], [1, 2]));
});

/** A hypernetwork for width 2 with a single linear layer, as safetensors, with some of it changed. */
function smallFile(
  settings: Readonly<Record<string, unknown>> = {},
  tensors: Readonly<Record<string, Tensor>> = {},
): Folder {
  const state = { 'linear.0.weight': zeros([2, 2]), 'linear.0.bias': zeros([2]) };
  const all = Object.entries(state).flatMap(([name, values]) =>
    ['key', 'value'].map((side): [string, Tensor] => [`2.${side}.${name}`, values]),
  );
  const note = JSON.stringify({ layer_structure: [1, 1], ...settings });
  const bytes = writeSafetensors({ ...Object.fromEntries(all), ...tensors }, { hypernetwork: note });
  return memoryFolder({ 'style.safetensors': bytes });
}

test('a file may say little: its name is then that of the file', async () => {
  const { name, step, widths } = await readHypernetwork(smallFile(), 'style.safetensors');
  expect({ name, step }).toEqual({ name: 'style', step: 0 });
  expect(widths.get(2)!.key.map(({ kind }) => kind)).toEqual(['linear']);
});

test('each setting that is none is named', async () => {
  const refusals: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ layer_structure: [1, 2] }, 'its "layer_structure" is not a list of positive numbers from 1 to 1.'],
    [{ layer_structure: '1, 2, 1' }, 'its "layer_structure" is not a list of numbers.'],
    [{ dropout_structure: [0, 1] }, 'its "dropout_structure" is not a share below 1 for each layer.'],
    [{ is_layer_norm: 'yes' }, 'its "is_layer_norm" is not true or false.'],
    [{ name: 7 }, 'its "name" is not text.'],
    [{ activation_func: 'softmax' }, 'its activation "softmax" is not known. Known are linear, swish, celu,'],
    [
      { skip_connection: true },
      'it was trained with "skip_connection", an extension that changes its layers. A1111 itself cannot load it',
    ],
  ];
  for (const [settings, problem] of refusals) {
    await expect(readHypernetwork(smallFile(settings), 'style.safetensors')).rejects.toThrow(
      `memory/style.safetensors: ${problem}`,
    );
  }
});

test('weights that are not those of the layers are named with what they should be', async () => {
  const read = (folder: Folder) => readHypernetwork(folder, 'style.safetensors');
  await expect(read(smallFile({ layer_structure: [1, 2, 1] }))).rejects.toThrow(
    'memory/style.safetensors: "linear.0.weight" is [2, 2] where the layers [1, 2, 1] of its network for width 2 have [4, 2]. Download or save the file again.',
  );
  await expect(read(smallFile({ is_layer_norm: true }))).rejects.toThrow(
    'it has 2 weights where the layers [1, 1] of its network for width 2 have more',
  );
  await expect(read(smallFile({}, { '2.key.linear.1.weight': zeros([2, 2]) }))).rejects.toThrow(
    'it has 3 weights where the layers [1, 1] of its network for width 2 have 2',
  );
  await expect(read(smallFile({}, { '2.query.linear.0.weight': zeros([2, 2]) }))).rejects.toThrow(
    '"2.query.linear.0.weight" is no weight of a hypernetwork',
  );
});

test('a file that is cut short, is something else, or would run code is refused', async () => {
  const pt = await fixtures.read('files/hn_relu_cross_only.pt');
  const command = 'cos\nsystem\n(X\u0004\0\0\0echotR.';
  const folder = memoryFolder({
    'short.pt': pt.subarray(0, pt.length / 2),
    'code.pt': command,
    'other.safetensors': writeSafetensors({ weight: tensor([0], [1]) }),
    'empty.pt': '',
    'note.safetensors': writeSafetensors({}, { hypernetwork: '{' }),
  });
  await expect(readHypernetwork(folder, 'short.pt')).rejects.toThrow(
    /^memory\/short\.pt: .*Download or save/,
  );
  await expect(readHypernetwork(folder, 'empty.pt')).rejects.toThrow(
    /^memory\/empty\.pt: .*Download or save/,
  );
  await expect(readHypernetwork(folder, 'code.pt')).rejects.toThrow(
    'its pickle names "os.system", which weights are not made of; nothing in it was run',
  );
  await expect(readHypernetwork(folder, 'note.safetensors')).rejects.toThrow(
    '"hypernetwork" in its metadata is not JSON',
  );
  const none = 'it holds no hypernetwork. Give a .pt of A1111, or a .safetensors that was made of one.';
  await expect(readHypernetwork(folder, 'other.safetensors')).rejects.toThrow(none);
  await expect(readHypernetwork(fixtures, 'files/ti_my-emb1_a1111.pt')).rejects.toThrow(none);
});

test('a context of another width than the network is refused', async () => {
  const { widths } = await readHypernetwork(smallFile(), 'style.safetensors');
  expect(() => applyHypernetwork(widths.get(2)!.key, zeros([1, 3]))).toThrow(
    "hypernetwork: the context is [1, 3], this network takes [..., 2]. Take the network for the context's width.",
  );
});
