import {
  InvalidFileError,
  MissingFileError,
  memoryFolder,
  UnsupportedFileError,
  writeSafetensors,
} from '@emulsion/checkpoints';
import { type AnyTensor, HalfTensor, type Tensor, tensor, toFloat16, zeros } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { describe, expect, test } from 'vitest';
import { AdapterMismatchError } from '../errors.ts';
import type { ModelModules } from '../model-modules.ts';
import type { LowRankChange } from '../module-change.ts';
import { at, loadTensors, randomTensors } from '../testing/adapter-file.ts';
import { loadLora } from './load-lora.ts';

const random = randomTensors(1);
const model = {
  unet: new Map<string, readonly number[]>([
    ['conv_in', [6, 9, 3, 3]],
    ['mid_block.attentions.0.transformer_blocks.0.attn2.to_k', [6, 768]],
    ['a.to_q', [6, 4]],
    ['a.to_k', [6, 4]],
    ['a.to_out.0', [6, 4]],
    ['time_embedding.linear_1', [6, 4]],
  ]),
  textEncoder: new Map<string, readonly number[]>([['text_model.q', [6, 4]]]),
};
const kohya = (module: string, up = random(6, 2), down = random(2, 4)) => ({
  [`lora_unet_${module}.lora_up.weight`]: up,
  [`lora_unet_${module}.lora_down.weight`]: down,
});

describe('the report', () => {
  test('says what became of every tensor', async () => {
    const { changes, report } = await loadTensors(model, {
      ...kohya('a_to_q'),
      ...kohya('a_to_k', random(6, 1), random(1, 4)),
      ...kohya('b_to_q'),
      'lora_unet_a_to_q.dora_scale': random(6, 1),
      'lora_unet_a_to_k.on_a_par': random(1),
      'lora_unet_a_to_k.rescale': random(6),
      some_table: random(1),
    });
    expect(report.matched.toSorted()).toEqual([
      'lora_unet_a_to_k.lora_down.weight',
      'lora_unet_a_to_k.lora_up.weight',
      'lora_unet_a_to_q.dora_scale',
      'lora_unet_a_to_q.lora_down.weight',
      'lora_unet_a_to_q.lora_up.weight',
    ]);
    expect(report.unmatched.toSorted()).toEqual([
      'lora_unet_b_to_q.lora_down.weight',
      'lora_unet_b_to_q.lora_up.weight',
    ]);
    expect(report.unused.toSorted()).toEqual([
      'lora_unet_a_to_k.on_a_par',
      'lora_unet_a_to_k.rescale',
      'some_table',
    ]);
    expect(report.ranks).toEqual([1, 2]);
    expect(report.algorithms).toEqual(['lora']);
    expect(report.dora).toBe(true);
    expect(report.baseModel).toBeUndefined();
    expect(changes.map(({ module }) => module)).toEqual(['a.to_k', 'a.to_q']);
    expect(report.targets).toEqual(changes.map(({ component, module }) => ({ component, module })));
    expect(report.warning).toBe(
      '2 of 7 tensors belong to modules that this model does not have in unet, textEncoder, the first is "lora_unet_b_to_q.lora_down.weight".',
    );
  });

  test('counts a module that a file names twice once', async () => {
    const { changes, report } = await loadTensors(model, {
      ...kohya('a_to_q'),
      'unet.a.to_q.lora_A.weight': random(2, 4),
      'unet.a.to_q.lora_B.weight': random(6, 2),
    });
    expect(changes).toHaveLength(1);
    expect(report.unused).toEqual(['unet.a.to_q.lora_A.weight', 'unet.a.to_q.lora_B.weight']);
  });

  test.each([
    [{ ss_base_model_version: 'sd_v1' }, 'sd_v1', undefined],
    [{ 'modelspec.architecture': 'stable-diffusion-v1/lora' }, 'stable-diffusion-v1/lora', undefined],
    [{ ss_base_model_version: 'sdxl_base_v1-0' }, 'sdxl_base_v1-0', 'Stable Diffusion 1'],
    [
      { 'modelspec.architecture': 'stable-diffusion-v2-768-v/lora' },
      'stable-diffusion-v2-768-v/lora',
      'Stable Diffusion 1',
    ],
    [
      { 'modelspec.architecture': 'stable-diffusion-3-m/lora' },
      'stable-diffusion-3-m/lora',
      'Stable Diffusion 1',
    ],
    [{ 'modelspec.architecture': 'flux-1-dev/lora' }, 'flux-1-dev/lora', 'Stable Diffusion 1'],
    [
      { adapter_config: '{"base_model_name_or_path":"stabilityai/sdxl-turbo"}' },
      'stabilityai/sdxl-turbo',
      'Stable Diffusion 1',
    ],
    [{ ss_sd_model_name: 'my model' }, 'my model', undefined],
  ])('warns if the file is for another family: %o', async (metadata, stated, family) => {
    const { report } = await loadTensors(model, kohya('a_to_q'), metadata as Record<string, string>);
    expect(report.baseModel).toBe(stated);
    expect(report.warning).toBe(
      family && `The file says that it is for "${stated}", but this model is of ${family}.`,
    );
  });

  test.each<[ModelModules, string, boolean]>([
    [
      {
        unet: new Map([
          ['a.to_q', [6, 4]],
          ['add_embedding.linear_1', [1, 1]],
        ]),
      },
      'sdxl_base_v1-0',
      false,
    ],
    [{ transformer: new Map([['a.to_q', [6, 4]]]) }, 'sd3', false],
    [
      {
        transformer: new Map([
          ['a.to_q', [6, 4]],
          ['single_transformer_blocks.0.norm.linear', [3, 1]],
        ]),
      },
      'flux1',
      false,
    ],
    [{ transformer: new Map([['a.to_q', [6, 4]]]) }, 'flux1', true],
    [{ unet: new Map([['a.to_q', [6, 4]]]) }, 'flux1', false],
  ])('tells the family of a model by its modules', async (other, stated, warns) => {
    const { report } = await loadTensors(other, kohya('a_to_q'), { ss_base_model_version: stated });
    expect(report.warning !== undefined).toBe(warns);
  });
});

describe('the scale of PEFT', () => {
  const tensors = {
    'unet.a.to_q.lora_A.weight': random(4, 4),
    'unet.a.to_q.lora_B.weight': random(6, 4),
    'unet.a.to_k.lora_A.weight': random(4, 4),
    'unet.a.to_k.lora_B.weight': random(6, 4),
    'unet.a.to_out.0.lora_A.weight': random(4, 4),
    'unet.a.to_out.0.lora_B.weight': random(6, 4),
    'text_encoder.q.lora_A.weight': random(4, 4),
    'text_encoder.q.lora_B.weight': random(6, 4),
  };

  /** What the values of `up` were multiplied by, by module. */
  async function scales(
    metadata: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>> = {},
  ) {
    const folder = memoryFolder({ ...files, 'x/a.safetensors': writeSafetensors(tensors, metadata) });
    const { changes } = await loadLora(folder, 'x/a.safetensors', { model });
    return Object.fromEntries(
      changes.map(({ module, weight }) => {
        if (weight?.form !== 'low-rank') throw new Error('a LoRA is a product');
        const own = Object.entries(tensors).find(
          ([key]) => key.includes(module.replace('text_model', 'text_encoder')) && key.includes('lora_B'),
        );
        return [module, Number((weight.up.data[0]! / own![1].data[0]!).toFixed(5))];
      }),
    );
  }

  test('is 1 if nothing says otherwise', async () => {
    expect(await scales({})).toEqual({ 'a.to_q': 1, 'a.to_k': 1, 'a.to_out.0': 1, 'text_model.q': 1 });
    expect(await scales({ lora_adapter_metadata: 'no JSON', adapter_config: '[]' })).toMatchObject({
      'a.to_q': 1,
    });
  });

  test('is in the metadata, for each component and for single modules', async () => {
    const config = {
      'unet.lora_alpha': 2,
      'unet.alpha_pattern': { to_k: 8, '^a.to_out.0': 12, '(a+)+$': 99 },
      'text_encoder.lora_alpha': 6,
      'text_encoder.use_rslora': true,
    };
    expect(await scales({ lora_adapter_metadata: JSON.stringify(config) })).toEqual({
      'a.to_q': 0.5,
      'a.to_k': 2,
      'a.to_out.0': 3,
      'text_model.q': 3,
    });
  });

  test('of expressions that could run for ever is none', async () => {
    const pattern = `${'(.|.)'.repeat(40)}X`;
    const config = { lora_alpha: 2, alpha_pattern: { [pattern]: 8, 'to_.': 8 } };
    expect(await scales({ lora_adapter_metadata: JSON.stringify(config) })).toMatchObject({ 'a.to_q': 2 });
  });

  test('may be in adapter_config.json beside the file', async () => {
    const config = { peft_type: 'LORA', r: 4, lora_alpha: 16, base_model_name_or_path: null };
    expect(await scales({}, { 'x/adapter_config.json': JSON.stringify(config) })).toMatchObject({
      'a.to_q': 4,
      'text_model.q': 4,
    });
  });

  test('is not for the files of others in its folder', async () => {
    const folder = memoryFolder({
      'adapter_config.json': '{"lora_alpha":16}',
      a: writeSafetensors(kohya('a_to_q', tensor(new Float32Array(12).fill(1), [6, 2]))),
    });
    const { changes } = await loadLora(folder, 'a', { model });
    expect((changes[0]!.weight as LowRankChange).up.data[0]).toBe(1);
  });

  test('also goes for its biases', async () => {
    const bias = random(6);
    const { changes, report } = await loadTensors(
      model,
      { ...tensors, 'unet.a.to_q.lora_B.bias': bias },
      { lora_adapter_metadata: JSON.stringify({ 'unet.lora_alpha': 2 }) },
    );
    expect(report.unused).toEqual([]);
    const found = changes.find(({ module }) => module === 'a.to_q')?.bias;
    expect(found?.dims).toEqual([6]);
    for (let i = 0; i < 6; i++) expect(at(found!, i)).toBeCloseTo(0.5 * at(bias, i), 6);
  });
});

test('half precision becomes float32', async () => {
  const [up, down] = [random(6, 2), random(2, 4)];
  const half = ({ data, dims }: Tensor): AnyTensor => tensor(toFloat16(data), dims);
  const file = writeSafetensors({
    'lora_unet_a_to_q.lora_up.weight': half(up),
    'lora_unet_a_to_q.lora_down.weight': half(down),
    'lora_unet_a_to_q.alpha': tensor(toFloat16(Float32Array.of(1)), []),
  });
  const { changes } = await loadLora(memoryFolder({ f: file }), 'f', { model });
  const weight = changes[0]!.weight!;
  if (weight.form !== 'low-rank') throw new Error('a LoRA is a product');
  expect(weight.up.dtype).toBe('float32');
  for (const [i, value] of weight.up.data.entries()) expect(value).toBeCloseTo(up.data[i]! / 2, 2);
  for (const [i, value] of weight.down.data.entries()) expect(value).toBeCloseTo(down.data[i]!, 2);
});

test('half precision that is nowhere scaled stays in the bytes of the file', async () => {
  const ones = toFloat16(new Float32Array(12).fill(1));
  const file = writeSafetensors({
    'lora_unet_a_to_q.lora_up.weight': tensor(ones, [6, 2]),
    'lora_unet_a_to_q.lora_down.weight': tensor(ones.slice(0, 8), [2, 4]),
  });
  const { changes } = await loadLora(memoryFolder({ f: file }), 'f', { model });
  const { up, down } = changes[0]!.weight as LowRankChange;
  for (const [part, size] of [
    [up, 12],
    [down, 8],
  ] as const)
    expect(part instanceof HalfTensor && part.halves).toEqual(ones.slice(0, size));
});

test('files of PyTorch are read too', async () => {
  const { changes, report } = await loadLora(await openFixture('pytorch'), 'lora.pt', { model });
  expect(report.matched).toHaveLength(3);
  expect(changes).toHaveLength(1);
  const { up, down } = changes[0]!.weight as LowRankChange;
  expect(up).toEqual(tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5], [6, 2]));
  expect(down.dims).toEqual([2, 4]);
  expect([...down.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('a change of four channels leaves the mask of an inpainting model as it was', async () => {
  const [up, down, diff] = [random(6, 2, 1, 1), random(2, 4, 3, 3), random(6, 4, 3, 3)];
  const product = await loadTensors(model, kohya('conv_in', up, down));
  const weight = product.changes[0]!.weight!;
  if (weight.form !== 'low-rank') throw new Error('a LoRA is a product');
  expect(weight.down.dims).toEqual([2, 9, 3, 3]);
  const whole = (await loadTensors(model, { 'lora_unet_conv_in.diff': diff })).changes[0]!.weight!;
  if (whole.form !== 'full') throw new Error('a difference is not a product');
  const delta = whole.delta(zeros([6, 9, 3, 3], 'float32'));
  for (let channel = 0; channel < 9; channel++) {
    const mask = channel >= 4;
    expect(at(weight.down, 1, channel, 2, 0)).toBe(mask ? 0 : at(down, 1, channel, 2, 0));
    expect(at(delta, 5, channel, 1, 2)).toBe(mask ? 0 : at(diff, 5, channel, 1, 2));
  }
});

test('bundled textual inversions are handed over by name', async () => {
  const [a, l, g] = [random(2, 8), random(1, 8), random(1, 16)];
  const { embeddings, report } = await loadTensors(model, {
    ...kohya('a_to_q'),
    'bundle_emb.my.word.string_to_param.*': a,
    'bundle_emb.xl.clip_l': l,
    'bundle_emb.xl.clip_g': g,
  });
  expect([...embeddings.keys()].toSorted()).toEqual(['my.word', 'xl']);
  expect(embeddings.get('my.word')).toEqual(new Map([['string_to_param.*', a]]));
  expect(embeddings.get('xl')).toEqual(
    new Map([
      ['clip_g', g],
      ['clip_l', l],
    ]),
  );
  expect(report.unused).toEqual([]);
});

describe('a file that cannot be used', () => {
  /** The error that a file is refused with. */
  async function refusal(
    tensors: Readonly<Record<string, Tensor>>,
    metadata?: Readonly<Record<string, string>>,
  ) {
    const error: unknown = await loadTensors(model, tensors, metadata).catch((reason: unknown) => reason);
    if (!(error instanceof Error)) throw new Error('it was read');
    return error;
  }

  test('because it is for another model says for which', async () => {
    const error = await refusal(kohya('b_to_q'), { ss_base_model_version: 'sdxl_base_v1-0' });
    expect(AdapterMismatchError.is(error) && error.baseModel).toBe('sdxl_base_v1-0');
    expect(error.message).toBe(
      'adapters/a.safetensors: none of its 2 tensors has the name of a module of this model (it says that it is for "sdxl_base_v1-0"). Use it with the model that it was made for.',
    );
    const silent = await refusal({ other: random(1) });
    expect(silent.message).toBe(
      'adapters/a.safetensors: none of its 1 tensors has the name of a module of this model. Use it with the model that it was made for.',
    );
  });

  test('because a weight has another shape says which', async () => {
    const error = await refusal(kohya('a_to_q', random(6, 2), random(2, 5)));
    expect(AdapterMismatchError.is(error)).toBe(true);
    expect(error.message).toBe(
      'adapters/a.safetensors: "lora_unet_a_to_q" is for a weight of [6, 5], "a.to_q" of this model has [6, 4]. Use it with the model that it was made for.',
    );
    for (const tensors of [
      kohya('a_to_q', random(7, 2)),
      { ...kohya('a_to_q'), 'lora_unet_a_to_q.diff_b': random(5) },
      { ...kohya('a_to_q'), 'lora_unet_a_to_q.dora_scale': random(5) },
      { 'lora_unet_a_to_q.weight': random(5), 'lora_unet_a_to_q.on_input': tensor([0], []) },
      { 'lora_unet_a_to_q.oft_blocks': random(2, 2, 2) },
      { 'lora_unet_a_to_q.lokr_w1': random(2, 2), 'lora_unet_a_to_q.lokr_w2': random(2, 2) },
    ])
      expect(AdapterMismatchError.is(await refusal(tensors))).toBe(true);
  });

  test('because its factors do not fit each other says which', async () => {
    const error = await refusal(kohya('a_to_q', random(6, 3)));
    expect(InvalidFileError.is(error)).toBe(true);
    expect(error.message).toBe(
      'adapters/a.safetensors: "lora_unet_a_to_q.lora_up.weight" is [6, 3], which does not fit the other factors of its module. Download or save the file again.',
    );
    const [a, b] = [random(6, 2), random(2, 4)];
    const named = (parts: Readonly<Record<string, Tensor>>) =>
      Object.fromEntries(Object.entries(parts).map(([part, values]) => [`lora_unet_a_to_q.${part}`, values]));
    for (const parts of [
      { hada_w1_a: a, hada_w1_b: random(3, 4), hada_w2_a: a, hada_w2_b: b },
      { hada_w1_a: a, hada_w1_b: b, hada_w2_a: a, hada_w2_b: random(2, 5) },
      { hada_w1_a: a, hada_w1_b: b, hada_t1: random(3, 2, 1), hada_w2_a: a, hada_w2_b: b },
      { lokr_w1: random(2, 2), lokr_w2_a: random(3, 2), lokr_w2_b: random(3, 2) },
      { lokr_w1_a: random(2, 1), lokr_w1_b: random(2, 2), lokr_w2: random(3, 2) },
      { 'a1.weight': random(4, 2), 'a2.weight': b, 'b1.weight': a, 'b2.weight': random(3, 4) },
      { oft_blocks: random(2, 3, 2) },
      { oft_blocks: random(2, 3, 3), rescale: random(5) },
      { oft_blocks: random(1, 2, 3, 3) },
      { oft_blocks: random(2, 3, 2, 2) },
      { weight: random(5), on_input: tensor([1], []) },
    ])
      expect(InvalidFileError.is(await refusal(named(parts)))).toBe(true);
  });

  test('because a part is missing says which', async () => {
    const error = await refusal({ 'lora_unet_a_to_q.lora_up.weight': random(6, 2) });
    expect(InvalidFileError.is(error)).toBe(true);
    expect(error.message).toBe(
      'adapters/a.safetensors: it has "lora_unet_a_to_q.lora_up.weight" without the "down" of that module. Download or save the file again.',
    );
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('because it holds %d says where', async (value) => {
    const up = random(6, 2);
    up.data[7] = value;
    const error = await refusal(kohya('a_to_q', up));
    expect(InvalidFileError.is(error)).toBe(true);
    expect(error.message).toBe(
      'adapters/a.safetensors: "lora_unet_a_to_q.lora_up.weight" holds NaN or infinity. Download or save the file again.',
    );
  });

  test('because it is cut short or missing says so', async () => {
    const whole = writeSafetensors(kohya('a_to_q'));
    for (const length of [0, 5, 60, whole.length - 1]) {
      const folder = memoryFolder({ f: whole.subarray(0, length) });
      const error: unknown = await loadLora(folder, 'f', { model }).catch((reason: unknown) => reason);
      expect(InvalidFileError.is(error)).toBe(true);
    }
    await expect(loadLora(memoryFolder({}), 'f', { model })).rejects.toSatisfy((error) =>
      MissingFileError.is(error),
    );
  });

  test('because it is a pickle with a program in it is not run', async () => {
    // pickle.dumps of an object whose __reduce__ calls os.system.
    const program = Uint8Array.from('\x80\x02cposix\nsystem\nX\x04\x00\x00\x00exit\x85R.', (character) =>
      character.charCodeAt(0),
    );
    for (const name of ['a.pt', 'a.bin', 'a.ckpt']) {
      const folder = memoryFolder({ [name]: program }, 'adapters');
      const error: unknown = await loadLora(folder, name, { model }).catch((reason: unknown) => reason);
      expect(UnsupportedFileError.is(error) && error.message).toBe(
        `adapters/${name}: its pickle names "posix.system", which weights are not made of; nothing in it was run. If you trust its source, have the model saved with safetensors.`,
      );
    }
  });
});
