// Files whose tensors have any shapes: they are read soundly, or refused with a reason.
import { createRng, EmulsionError, sizeOf, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { loadTensors } from '../testing/adapter-file.ts';

const modules = new Map<string, readonly number[]>([
  ['single_transformer_blocks.0.norm.linear', [6, 2]],
  ['transformer_blocks.0.norm1.linear', [6, 2]],
  ['transformer_blocks.0.attn.to_q', [2, 4]],
  ['transformer_blocks.0.attn.to_k', [2, 4]],
  ['transformer_blocks.0.attn.to_v', [2, 4]],
  ['conv', [4, 2, 3, 3]],
  ['conv_in', [4, 3, 3, 3]],
  ['norm', [4]],
]);
const names = ['double_blocks_0_img_attn_qkv', 'transformer_blocks_0_attn_to_q', 'conv', 'conv_in', 'norm'];
const forms = [
  ['lora_up.weight', 'lora_down.weight', 'lora_mid.weight'],
  ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'hada_t1', 'hada_t2'],
  ['lokr_w1', 'lokr_w2'],
  ['lokr_w1_a', 'lokr_w1_b', 'lokr_w2_a', 'lokr_w2_b', 'lokr_t2'],
  ['a1.weight', 'a2.weight', 'b1.weight', 'b2.weight', 'bm.weight'],
  ['weight', 'on_input'],
  ['ia3_l'],
  ['oft_blocks', 'rescale'],
  ['oft_diag'],
  ['diff', 'diff_b'],
  ['w_norm', 'b_norm'],
];
const extras = ['alpha', 'scale', 'dora_scale', 'lora_magnitude_vector', 'lora_B.bias'];

test('tensors of random shapes are read soundly or refused', async () => {
  const rng = createRng({ kind: 'numpy', seed: 5 });
  const below = (count: number) => Number(rng.integers(0, count, [1]).data[0]);
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
  const shape = (): number[] => {
    if (below(12) === 0) return pick([[], [0], [0, 2], [2, 0], [1, 1, 1, 1, 1]]);
    const dims = [pick([1, 2, 4, 6]), pick([1, 2, 4, 6]), pick([1, 3]), pick([1, 3])];
    return dims.slice(0, pick([1, 2, 2, 2, 3, 4]));
  };
  let [read, refused] = [0, 0];
  for (let file = 0; file < 4000; file++) {
    const name = pick(names);
    const parts = pick(forms).filter((_, i) => i < 4 || below(2) === 0);
    const tensors: Record<string, Tensor> = {};
    for (const part of [...parts, ...extras.filter(() => below(6) === 0)]) {
      const dims = shape();
      tensors[`lora_unet_${name}.${part}`] = tensor(new Float32Array(sizeOf(dims)).fill(0.5), dims);
    }
    try {
      const { changes } = await loadTensors({ transformer: modules }, tensors);
      for (const { module, weight, bias } of changes) {
        const dims = modules.get(module)!;
        if (bias) expect(bias.dims).toEqual(dims.slice(0, 1));
        if (weight?.form === 'full') {
          const delta = weight.delta(tensor(new Float32Array(sizeOf(dims)).fill(2), dims));
          expect(delta.dims).toEqual(dims);
          expect(delta.data.every(Number.isFinite)).toBe(true);
        }
        if (weight?.form === 'low-rank') {
          expect(weight.down.dims.slice(1)).toEqual(dims.slice(1));
          expect(weight.up.dims.slice(0, 2)).toEqual([dims[0], weight.down.dims[0]]);
        }
      }
      read++;
    } catch (error) {
      if (!EmulsionError.is(error)) throw new Error(`file ${file}`, { cause: error });
      expect(error.message).not.toMatch(/NaN\b(?! or infinity)|undefined/);
      refused++;
    }
  }
  expect(read).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(50);
});

test('a few bytes do not ask for a large matrix', async () => {
  const model = { transformer: modules };
  const name = 'lora_unet_transformer_blocks_0_attn_to_q';
  const [tall, wide] = [zeros([100_000, 1], 'float32'), zeros([1, 100_000], 'float32')];
  const core = zeros([100_000, 1, 1], 'float32');
  const small = zeros([1, 1], 'float32');
  for (const parts of [
    { lokr_w1: small, lokr_w2_a: tall, lokr_w2_b: wide },
    { lokr_w1_a: tall, lokr_w1_b: wide, lokr_w2: small },
    { 'lora_up.weight': wide, 'lora_mid.weight': core, 'lora_down.weight': wide },
    { hada_w1_a: tall, hada_w1_b: wide, hada_t1: core, hada_w2_a: tall, hada_w2_b: wide, hada_t2: core },
  ]) {
    const tensors = Object.entries(parts).map(([part, values]) => [`${name}.${part}`, values]);
    const reason = await loadTensors(model, Object.fromEntries(tensors)).catch((error: unknown) => error);
    expect(EmulsionError.is(reason)).toBe(true);
  }
});
