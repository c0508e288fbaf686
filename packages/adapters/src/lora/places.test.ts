// The names of modules in files of other programs.
import type { Tensor } from '@emulsion/tensor';
import { describe, expect, test } from 'vitest';
import type { ModelModules } from '../model-modules.ts';
import type { Component, LowRankChange } from '../module-change.ts';
import { at, loadTensors, randomTensors } from '../testing/adapter-file.ts';

const random = randomTensors(1);

/** Modules of weights `[6, 4]`, whatever they are called. */
const linears = (...paths: string[]) =>
  new Map<string, readonly number[]>(paths.map((path) => [path, [6, 4]]));

/** Where a LoRA for a module belongs, with the endings of its two tensors. */
async function targetsOf(
  model: ModelModules,
  down: string,
  up: string,
): Promise<{ component: Component; module: string }[]> {
  const { report } = await loadTensors(model, { [down]: random(2, 4), [up]: random(6, 2) });
  expect(report.matched.toSorted()).toEqual([down, up].toSorted());
  return [...report.targets];
}

/** Where kohya's name of a module belongs. */
const kohyaTarget = async (model: ModelModules, name: string) =>
  (await targetsOf(model, `${name}.lora_down.weight`, `${name}.lora_up.weight`)).map(({ module }) => module);

const attention = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1';
const small = {
  unet: linears(`${attention}.to_q`, `${attention}.to_out.0`, 'conv_in'),
  textEncoder: linears('text_model.encoder.layers.0.self_attn.q_proj', 'text_model.encoder.layers.0.mlp.fc1'),
  textEncoder2: linears('encoder.layers.0.self_attn.q_proj'),
};
const flat = 'down_blocks_0_attentions_0_transformer_blocks_0_attn1';

describe('a module of the U-Net', () => {
  test.each([
    ['kohya', `lora_unet_${flat}_to_q.lora_down.weight`, `lora_unet_${flat}_to_q.lora_up.weight`],
    ['LyCORIS alone', `lycoris_${flat}_to_q.lora_down.weight`, `lycoris_${flat}_to_q.lora_up.weight`],
    ['a bare prefix', `lora_${flat}_to_q.lora_down.weight`, `lora_${flat}_to_q.lora_up.weight`],
    ['PEFT', `unet.${attention}.to_q.lora_A.weight`, `unet.${attention}.to_q.lora_B.weight`],
    [
      'PEFT with a name',
      `base_model.model.${attention}.to_q.lora_A.default.weight`,
      `base_model.model.${attention}.to_q.lora_B.default.weight`,
    ],
    [
      'PEFT around diffusers',
      `base_model.model.unet.${attention}.to_q.lora_A`,
      `base_model.model.unet.${attention}.to_q.lora_B`,
    ],
    [
      'diffusers, old',
      `unet.${attention}.processor.to_q_lora.down.weight`,
      `unet.${attention}.processor.to_q_lora.up.weight`,
    ],
    [
      'diffusers, older',
      `${attention}.processor.to_q_lora.down.weight`,
      `${attention}.processor.to_q_lora.up.weight`,
    ],
    [
      'diffusers, between',
      `unet.${attention}.to_q.lora.down.weight`,
      `unet.${attention}.to_q.lora.up.weight`,
    ],
    [
      'ComfyUI',
      `diffusion_model.${attention}.to_q.lora_A.weight`,
      `diffusion_model.${attention}.to_q.lora_B.weight`,
    ],
  ])('is found by the name of %s', async (_, down, up) => {
    expect(await targetsOf(small, down, up)).toEqual([{ component: 'unet', module: `${attention}.to_q` }]);
  });

  test('is found where the name leaves out the number of the output layer', async () => {
    const name = `unet.${attention}.processor.to_out_lora`;
    expect(await targetsOf(small, `${name}.down.weight`, `${name}.up.weight`)).toEqual([
      { component: 'unet', module: `${attention}.to_out.0` },
    ]);
    expect(await kohyaTarget(small, `lora_unet_${flat}_to_out_0`)).toEqual([`${attention}.to_out.0`]);
  });
});

describe('a module of a text encoder', () => {
  const q = { component: 'textEncoder', module: 'text_model.encoder.layers.0.self_attn.q_proj' };
  const kohya = 'text_model_encoder_layers_0_self_attn_q_proj';
  const layer = 'text_model.encoder.layers.0';
  test.each([
    ['kohya', `lora_te_${kohya}.lora_down.weight`, `lora_te_${kohya}.lora_up.weight`],
    ['kohya for XL', `lora_te1_${kohya}.lora_down.weight`, `lora_te1_${kohya}.lora_up.weight`],
    [
      'PEFT',
      `text_encoder.${layer}.self_attn.q_proj.lora_A.weight`,
      `text_encoder.${layer}.self_attn.q_proj.lora_B.weight`,
    ],
    [
      'newer transformers',
      'text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight',
      'text_encoder.encoder.layers.0.self_attn.q_proj.lora_B.weight',
    ],
    [
      'diffusers, old',
      `text_encoder.${layer}.self_attn.to_q_lora.down.weight`,
      `text_encoder.${layer}.self_attn.to_q_lora.up.weight`,
    ],
    [
      'diffusers, between',
      `text_encoder.${layer}.self_attn.q_proj.lora_linear_layer.down.weight`,
      `text_encoder.${layer}.self_attn.q_proj.lora_linear_layer.up.weight`,
    ],
    [
      'ComfyUI',
      `text_encoders.clip_l.transformer.${layer}.self_attn.q_proj.lora_A.weight`,
      `text_encoders.clip_l.transformer.${layer}.self_attn.q_proj.lora_B.weight`,
    ],
  ])('is found by the name of %s', async (_, down, up) => {
    expect(await targetsOf(small, down, up)).toEqual([q]);
  });

  test('of the second one has a prefix of its own', async () => {
    const second = { component: 'textEncoder2', module: 'encoder.layers.0.self_attn.q_proj' };
    for (const name of [
      `lora_te2_${kohya}`,
      `text_encoder_2.${layer}.self_attn.q_proj`,
      `text_encoders.clip_g.transformer.${layer}.self_attn.q_proj`,
    ]) {
      expect(await targetsOf(small, `${name}.lora_down.weight`, `${name}.lora_up.weight`)).toEqual([second]);
    }
  });

  test('is not looked for in the second if the first lacks it, but if there is no first', async () => {
    const [first, second] = [linears('encoder.layers.0.mlp.fc1'), linears('encoder.layers.20.mlp.fc1')];
    const name = 'lora_te1_text_model_encoder_layers_20_mlp_fc1';
    const [down, up] = [`${name}.lora_down.weight`, `${name}.lora_up.weight`];
    await expect(targetsOf({ textEncoder: first, textEncoder2: second }, down, up)).rejects.toThrow(
      'none of its 2 tensors has the name of a module of this model',
    );
    expect(await targetsOf({ textEncoder2: second }, down, up)).toEqual([
      { component: 'textEncoder2', module: 'encoder.layers.20.mlp.fc1' },
    ]);
  });

  test('of T5 is in the third of Stable Diffusion 3 and in the second of Flux', async () => {
    const module = 'encoder.block.0.layer.0.SelfAttention.q';
    const name = 'lora_te3_encoder_block_0_layer_0_SelfAttention_q';
    const [down, up] = [`${name}.lora_down.weight`, `${name}.lora_up.weight`];
    const sd3 = { ...small, textEncoder3: linears(module) };
    expect(await targetsOf(sd3, down, up)).toEqual([{ component: 'textEncoder3', module }]);
    const flux = { ...small, textEncoder2: linears(module) };
    expect(await targetsOf(flux, down, up)).toEqual([{ component: 'textEncoder2', module }]);
  });
});

/** The modules of a U-Net by what its levels have. */
function unetModules(levels: readonly { attention: boolean }[]) {
  const paths = [
    'conv_in',
    'conv_out',
    'conv_norm_out',
    'time_embedding.linear_1',
    'time_embedding.linear_2',
  ];
  paths.push('add_embedding.linear_1', 'add_embedding.linear_2');
  const resnet = (home: string) =>
    paths.push(...['conv1', 'conv2', 'time_emb_proj', 'conv_shortcut'].map((part) => `${home}.${part}`));
  const transformer = (home: string) =>
    paths.push(`${home}.proj_in`, `${home}.transformer_blocks.0.attn1.to_q`);
  for (const [kind, ordered, layers] of [
    ['down', levels, 2],
    ['up', levels.toReversed(), 3],
  ] as const) {
    for (const [level, { attention: attends }] of ordered.entries()) {
      const home = `${kind}_blocks.${level}`;
      for (let layer = 0; layer < layers; layer++) {
        resnet(`${home}.resnets.${layer}`);
        if (attends) transformer(`${home}.attentions.${layer}`);
      }
      if (level < levels.length - 1) paths.push(`${home}.${kind}samplers.0.conv`);
    }
  }
  for (const layer of [0, 1]) resnet(`mid_block.resnets.${layer}`);
  transformer('mid_block.attentions.0');
  return { unet: linears(...paths) };
}

test.each([
  ['input_blocks_0_0', 'conv_in'],
  ['out_2', 'conv_out'],
  ['time_embed_0', 'time_embedding.linear_1'],
  ['label_emb_0_2', 'add_embedding.linear_2'],
  ['input_blocks_1_0_in_layers_2', 'down_blocks.0.resnets.0.conv1'],
  ['input_blocks_2_0_out_layers_3', 'down_blocks.0.resnets.1.conv2'],
  ['input_blocks_3_0_op', 'down_blocks.0.downsamplers.0.conv'],
  ['input_blocks_4_0_skip_connection', 'down_blocks.1.resnets.0.conv_shortcut'],
  ['input_blocks_4_1_proj_in', 'down_blocks.1.attentions.0.proj_in'],
  [
    'input_blocks_8_1_transformer_blocks_0_attn1_to_q',
    'down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_q',
  ],
  ['middle_block_0_emb_layers_1', 'mid_block.resnets.0.time_emb_proj'],
  [
    'middle_block_1_transformer_blocks_0_attn1_to_q',
    'mid_block.attentions.0.transformer_blocks.0.attn1.to_q',
  ],
  ['output_blocks_0_1_proj_in', 'up_blocks.0.attentions.0.proj_in'],
  ['output_blocks_2_2_conv', 'up_blocks.0.upsamplers.0.conv'],
  ['output_blocks_5_1_proj_in', 'up_blocks.1.attentions.2.proj_in'],
  ['output_blocks_5_2_conv', 'up_blocks.1.upsamplers.0.conv'],
  ['output_blocks_8_0_in_layers_2', 'up_blocks.2.resnets.2.conv1'],
])('%s of Stable Diffusion XL is %s', async (name, module) => {
  const xl = unetModules([{ attention: false }, { attention: true }, { attention: true }]);
  expect(await kohyaTarget(xl, `lora_unet_${name}`)).toEqual([module]);
  expect(await kohyaTarget(xl, `lora_unet_${module.replaceAll('.', '_')}`)).toEqual([module]);
});

test.each([
  ['input_blocks_1_1_proj_in', 'down_blocks.0.attentions.0.proj_in'],
  ['input_blocks_10_0_in_layers_2', 'down_blocks.3.resnets.0.conv1'],
  ['output_blocks_2_1_conv', 'up_blocks.0.upsamplers.0.conv'],
  ['output_blocks_3_1_proj_in', 'up_blocks.1.attentions.0.proj_in'],
  ['output_blocks_8_2_conv', 'up_blocks.2.upsamplers.0.conv'],
  ['output_blocks_11_1_proj_in', 'up_blocks.3.attentions.2.proj_in'],
])('%s of Stable Diffusion 1 is %s', async (name, module) => {
  const attends = { attention: true };
  const sd1 = unetModules([attends, attends, attends, { attention: false }]);
  expect(await kohyaTarget(sd1, `lora_unet_${name}`)).toEqual([module]);
});

const width = 3;
/** The rows of a fused LoRA that each module of the model gets. */
async function expectRows(
  modules: ReadonlyMap<string, readonly number[]>,
  name: string,
  wanted: Readonly<Record<string, readonly number[]>>,
) {
  const rows = Object.values(wanted).reduce((count, { length }) => count + length, 0);
  const up = random(rows, 2);
  const down = random(2, width);
  const { changes, report } = await loadTensors(
    { transformer: modules },
    { [`${name}.lora_down.weight`]: down, [`${name}.lora_up.weight`]: up },
  );
  expect(report.unused).toEqual([]);
  expect(changes.map(({ module }) => module)).toEqual(Object.keys(wanted));
  for (const { module, weight } of changes) {
    const change = weight as LowRankChange;
    expect(change.down.data).toEqual(down.data);
    expect(change.up.dims).toEqual([wanted[module]!.length, 2]);
    for (const [row, fileRow] of wanted[module]!.entries()) {
      for (const r of [0, 1]) expect(at(change.up, row, r)).toBe(at(up, fileRow, r));
    }
  }
}

/** Modules with weights of these many rows. */
const rowsOf = (rows: Readonly<Record<string, number>>) =>
  new Map<string, readonly number[]>(Object.entries(rows).map(([path, count]) => [path, [count, width]]));

const flux = rowsOf({
  'transformer_blocks.0.norm1.linear': 18,
  'transformer_blocks.0.attn.to_q': 3,
  'transformer_blocks.0.attn.to_k': 3,
  'transformer_blocks.0.attn.to_v': 3,
  'transformer_blocks.0.attn.add_q_proj': 3,
  'transformer_blocks.0.attn.add_k_proj': 3,
  'transformer_blocks.0.attn.add_v_proj': 3,
  'transformer_blocks.0.attn.to_out.0': 3,
  'transformer_blocks.0.ff_context.net.2': 3,
  'single_transformer_blocks.0.norm.linear': 9,
  'single_transformer_blocks.0.attn.to_q': 3,
  'single_transformer_blocks.0.attn.to_k': 3,
  'single_transformer_blocks.0.attn.to_v': 3,
  'single_transformer_blocks.0.proj_mlp': 5,
  'single_transformer_blocks.0.proj_out': 3,
  'norm_out.linear': 6,
});

describe('the fused matrices of Flux', () => {
  test('are split over the modules of diffusers', async () => {
    const image = {
      'transformer_blocks.0.attn.to_q': [0, 1, 2],
      'transformer_blocks.0.attn.to_k': [3, 4, 5],
      'transformer_blocks.0.attn.to_v': [6, 7, 8],
    };
    await expectRows(flux, 'lora_unet_double_blocks_0_img_attn_qkv', image);
    await expectRows(flux, 'diffusion_model.double_blocks.0.img_attn.qkv', image);
    await expectRows(flux, 'lora_unet_double_blocks_0_txt_attn_qkv', {
      'transformer_blocks.0.attn.add_q_proj': [0, 1, 2],
      'transformer_blocks.0.attn.add_k_proj': [3, 4, 5],
      'transformer_blocks.0.attn.add_v_proj': [6, 7, 8],
    });
    await expectRows(flux, 'lora_unet_single_blocks_0_linear1', {
      'single_transformer_blocks.0.attn.to_q': [0, 1, 2],
      'single_transformer_blocks.0.attn.to_k': [3, 4, 5],
      'single_transformer_blocks.0.attn.to_v': [6, 7, 8],
      'single_transformer_blocks.0.proj_mlp': [9, 10, 11, 12, 13],
    });
  });

  test('have scale and shift of the last norm the other way round', async () => {
    await expectRows(flux, 'lora_unet_final_layer_adaLN_modulation_1', {
      'norm_out.linear': [3, 4, 5, 0, 1, 2],
    });
  });

  test('that are not fused keep their rows', async () => {
    const rows = [0, 1, 2];
    await expectRows(flux, 'lora_unet_double_blocks_0_img_attn_proj', {
      'transformer_blocks.0.attn.to_out.0': rows,
    });
    await expectRows(flux, 'lora_unet_double_blocks_0_txt_mlp_2', {
      'transformer_blocks.0.ff_context.net.2': rows,
    });
    await expectRows(flux, 'lora_unet_single_blocks_0_linear2', {
      'single_transformer_blocks.0.proj_out': rows,
    });
    await expectRows(flux, 'transformer.transformer_blocks.0.attn.to_q', {
      'transformer_blocks.0.attn.to_q': rows,
    });
    await expectRows(flux, 'lora_transformer_transformer_blocks_0_attn_to_q', {
      'transformer_blocks.0.attn.to_q': rows,
    });
  });

  test.each([
    ['double_blocks.0.processor.qkv_lora1', 'transformer_blocks.0.attn.to_q', 9],
    ['double_blocks.0.processor.qkv_lora2', 'transformer_blocks.0.attn.add_q_proj', 9],
    ['double_blocks.0.processor.proj_lora1', 'transformer_blocks.0.attn.to_out.0', 3],
    ['single_blocks.0.processor.qkv_lora', 'single_transformer_blocks.0.attn.to_q', 9],
    ['single_blocks.0.processor.proj_lora', 'single_transformer_blocks.0.proj_out', 3],
  ])('%s of X-Labs is found', async (name, first, rows) => {
    const tensors = { [`${name}.down.weight`]: random(2, width), [`${name}.up.weight`]: random(rows, 2) };
    const { report } = await loadTensors({ transformer: flux }, tensors);
    expect(report.targets).toHaveLength(rows / 3);
    expect(report.targets[0]).toEqual({ component: 'transformer', module: first });
  });
});

const sd3 = rowsOf({
  'transformer_blocks.0.norm1.linear': 18,
  'transformer_blocks.0.norm1_context.linear': 18,
  'transformer_blocks.0.attn.to_q': 3,
  'transformer_blocks.0.attn.to_k': 3,
  'transformer_blocks.0.attn.to_v': 3,
  'transformer_blocks.0.attn.add_q_proj': 3,
  'transformer_blocks.0.attn.add_k_proj': 3,
  'transformer_blocks.0.attn.add_v_proj': 3,
  'transformer_blocks.0.attn.to_add_out': 3,
  'transformer_blocks.0.attn2.to_q': 3,
  'transformer_blocks.0.attn2.to_k': 3,
  'transformer_blocks.0.attn2.to_v': 3,
  'transformer_blocks.0.ff.net.0.proj': 6,
  'transformer_blocks.1.norm1.linear': 18,
  'transformer_blocks.1.norm1_context.linear': 4,
  'norm_out.linear': 4,
});

test('the fused matrices of Stable Diffusion 3 are split over the modules of diffusers', async () => {
  const split = (home: string, [q, k, v]: readonly [string, string, string]) => ({
    [`${home}.${q}`]: [0, 1, 2],
    [`${home}.${k}`]: [3, 4, 5],
    [`${home}.${v}`]: [6, 7, 8],
  });
  const home = 'transformer_blocks.0';
  await expectRows(
    sd3,
    'lora_unet_joint_blocks_0_x_block_attn_qkv',
    split(`${home}.attn`, ['to_q', 'to_k', 'to_v']),
  );
  await expectRows(
    sd3,
    'diffusion_model.joint_blocks.0.context_block.attn.qkv',
    split(`${home}.attn`, ['add_q_proj', 'add_k_proj', 'add_v_proj']),
  );
  await expectRows(
    sd3,
    'lora_unet_joint_blocks_0_x_block_attn2_qkv',
    split(`${home}.attn2`, ['to_q', 'to_k', 'to_v']),
  );
  await expectRows(sd3, 'lora_unet_joint_blocks_0_x_block_mlp_fc1', {
    [`${home}.ff.net.0.proj`]: [0, 1, 2, 3, 4, 5],
  });
  const whole = Array.from({ length: 18 }, (_, row) => row);
  await expectRows(sd3, 'lora_unet_joint_blocks_0_context_block_adaLN_modulation_1', {
    [`${home}.norm1_context.linear`]: whole,
  });
  await expectRows(sd3, 'lora_unet_joint_blocks_1_context_block_adaLN_modulation_1', {
    'transformer_blocks.1.norm1_context.linear': [2, 3, 0, 1],
  });
  await expectRows(sd3, 'lora_unet_final_layer_adaLN_modulation_1', { 'norm_out.linear': [2, 3, 0, 1] });
});

describe('a fused change of another form', () => {
  const name = 'lora_unet_double_blocks_0_img_attn_qkv';
  const base = random(3, width);

  /** The rows of a change over those of the three modules, from their weights. */
  async function deltas(parts: Readonly<Record<string, Tensor>>) {
    const named = Object.entries(parts).map(([part, values]) => [`${name}.${part}`, values]);
    const { changes } = await loadTensors({ transformer: flux }, Object.fromEntries(named));
    return changes.map(({ weight }) => (weight?.form === 'full' ? weight.delta(base).data : undefined));
  }

  test('is split by its rows', async () => {
    const diff = random(9, width);
    expect(await deltas({ diff })).toEqual([0, 9, 18].map((start) => diff.data.slice(start, start + 9)));
    const [a, b] = [random(9, 2), random(2, width)];
    const loha = await deltas({ hada_w1_a: a, hada_w1_b: b, hada_w2_a: a, hada_w2_b: b });
    const [w1, w2] = [random(1, 1), random(9, width)];
    const lokr = await deltas({ lokr_w1: w1, lokr_w2: w2 });
    for (const part of [0, 1, 2])
      for (let row = 0; row < 3; row++)
        for (let column = 0; column < width; column++) {
          const fileRow = part * 3 + row;
          const product = [0, 1].reduce((sum, r) => sum + at(a, fileRow, r) * at(b, r, column), 0);
          expect(loha[part]![row * width + column]).toBeCloseTo(product ** 2, 5);
          const wanted = at(w1, 0, 0) * at(w2, fileRow, column);
          expect(lokr[part]![row * width + column]).toBeCloseTo(wanted, 5);
        }
  });

  test('has the magnitudes of its rows', async () => {
    const magnitude = random(9, 1);
    const parts = { 'lora_up.weight': random(9, 2), 'lora_down.weight': random(2, width) };
    for (const [part, delta] of (await deltas({ ...parts, dora_scale: magnitude })).entries())
      for (let row = 0; row < 3; row++) {
        const sums = [0, 1, 2].map((column) => delta![row * width + column]! + at(base, row, column));
        expect(Math.hypot(...sums)).toBeCloseTo(Math.abs(at(magnitude, part * 3 + row, 0)), 5);
      }
  });

  test('turns the rows of each module if its blocks end where they do', async () => {
    const turned = await deltas({ oft_blocks: random(3, 3, 3) });
    for (const delta of turned)
      for (let column = 0; column < width; column++) {
        const norm = (value: (row: number) => number) => Math.hypot(...[0, 1, 2].map(value));
        const before = norm((row) => at(base, row, column));
        expect(norm((row) => at(base, row, column) + delta![row * width + column]!)).toBeCloseTo(before, 5);
      }
  });

  test('that mixes rows of several modules is refused', async () => {
    const parts = { 'lora_up.weight': random(9, 2), 'lora_down.weight': random(2, width) };
    await expect(deltas({ oft_blocks: random(1, 9, 9) })).rejects.toThrow(
      'adapters/a.safetensors: its change of "lora_unet_double_blocks_0_img_attn_qkv" mixes rows that this model has in several modules. Use a LoRA, LoHa or LoKr instead.',
    );
    await expect(deltas({ ...parts, dora_scale: random(1, width) })).rejects.toThrow('mixes rows');
  });
});
