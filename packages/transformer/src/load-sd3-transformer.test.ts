import { type Folder, readJson } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadSd3Transformer } from './load-sd3-transformer.ts';
import { parseSd3TransformerConfig } from './sd3-config.ts';

let device: Device;
let stored: Folder;
let config: Record<string, unknown>;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/sd3/transformer');
  config = (await readJson(stored, 'config.json')) as typeof config; // an object, as in every model
});
afterAll(() => device.dispose());

const normal = (seed: number, ...dims: number[]) => createRng({ kind: 'torch-cpu', seed }).normal(dims);
const inputs = () => ({
  sample: normal(0, 1, 16, 4, 6),
  timestep: 500,
  encoderHiddenStates: normal(1, 1, 5, 64),
  pooledTextEmbeds: normal(2, 1, 64),
});
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

/** The model with a second attention in its first block, whose gate is `gate` everywhere. */
async function withDualAttention(gate: number): Promise<Folder> {
  const tensors = await readWeights(stored);
  for (const [name, value] of Object.entries(tensors)) {
    if (/^transformer_blocks\.0\.attn\.(to_[qkv]|to_out|norm_[qk])/.test(name))
      tensors[name.replace('.attn.', '.attn2.')] = value;
  }
  const longer = (name: string, dims: readonly number[], fill: number) => {
    const { data } = tensors[name]!;
    const more = new Float32Array((data.length / 6) * 9);
    more.set(data);
    more.fill(fill, (data.length / 6) * 8);
    tensors[name] = tensor(more, dims);
  };
  longer('transformer_blocks.0.norm1.linear.weight', [9 * 32, 32], 0);
  longer('transformer_blocks.0.norm1.linear.bias', [9 * 32], gate);
  return changedComponent(stored, { dual_attention_layers: [0] }, tensors);
}

test('a second attention adds what its gate lets through', async () => {
  const outputs = [];
  for (const folder of [stored, await withDualAttention(0), await withDualAttention(1)]) {
    const transformer = await loadSd3Transformer(folder, { device });
    expect(transformer.unusedWeights).toEqual([]);
    outputs.push(await transformer.predict(inputs()));
    await transformer.dispose();
  }
  const [without, closed, open] = outputs;
  expect(without!.dims).toEqual([1, 16, 4, 6]);
  expect(worst(closed!, without!)).toBeLessThan(1e-5);
  expect(worst(open!, without!)).toBeGreaterThan(1e-2);
});

test('each sample of a batch has its own time and text', async () => {
  const transformer = await loadSd3Transformer(stored, { device });
  const second = {
    sample: normal(5, 1, 16, 4, 6),
    timestep: 20,
    encoderHiddenStates: normal(6, 1, 5, 64),
    pooledTextEmbeds: normal(7, 1, 64),
  };
  const first = inputs();
  const { ops } = device;
  const both = await transformer.predict({
    sample: ops.concat([first.sample, second.sample]),
    timestep: [500, 20],
    encoderHiddenStates: ops.concat([first.encoderHiddenStates, second.encoderHiddenStates]),
    pooledTextEmbeds: ops.concat([first.pooledTextEmbeds, second.pooledTextEmbeds]),
  });
  expect(worst(ops.slice(both, 0, 1), await transformer.predict(first))).toBeLessThan(1e-5);
  expect(worst(ops.slice(both, 1, 2), await transformer.predict(second))).toBeLessThan(1e-5);
  await transformer.dispose();
});

test('inputs that the model does not take are refused with what it takes', async () => {
  const transformer = await loadSd3Transformer(stored, { device });
  await expect(transformer.predict({ ...inputs(), sample: zeros([1, 16, 4, 34]) })).rejects.toThrow(
    'transformer: the latents are 4×34, this model takes multiples of 2 up to 32. Choose another size of picture.',
  );
  await expect(transformer.predict({ ...inputs(), sample: zeros([1, 4, 4, 4]) })).rejects.toThrow(
    'transformer: "sample" is [1, 4, 4, 4], this model takes [any, 16, any, any]. Use the text encoders and the latents that belong to it.',
  );
  await transformer.dispose();
});

test('what is not supported is refused by name', () => {
  expect(() => parseSd3TransformerConfig('transformer', { ...config, qk_norm: 'layer_norm' })).toThrow(
    'transformer: "qk_norm" in its config.json is "layer_norm"; null, "rms_norm" are supported.',
  );
  expect(() => parseSd3TransformerConfig('transformer', { ...config, caption_projection_dim: 64 })).toThrow(
    '32, as all heads have together, is wanted.',
  );
});

test('every linear layer of the blocks takes an adapter live, as if it were in the weights', async () => {
  const transformer = await loadSd3Transformer(stored, { device });
  const plain = await transformer.predict(inputs());
  const modules = new Map<string, { lowRank: { down: Tensor; up: Tensor } }>();
  const merged = new Map<string, Tensor>();
  for (const { name, dims } of transformer.weights.values()) {
    const [rows = 0, columns = 0] = dims;
    if (!/transformer_blocks\..*\.weight$/.test(name) || dims.length !== 2) continue;
    const [down, up] = [normal(modules.size, 1, columns), normal(modules.size + 99, rows, 1)];
    const { data } = await transformer.readWeight(name);
    const changed = data.map(
      (value, i) => value + 0.01 * up.data[Math.floor(i / columns)]! * down.data[i % columns]!,
    );
    modules.set(name.replace(/\.weight$/, ''), { lowRank: { down, up } });
    merged.set(name, tensor(changed, dims));
  }
  expect(modules.size).toBeGreaterThan(10);
  let strength = 0;
  await transformer.adapt([{ modules, strength: (_, progress) => strength * progress }]);
  expect((await transformer.predict({ ...inputs(), progress: 1 })).data).toEqual(plain.data);
  strength = 0.02;
  const live = await transformer.predict({ ...inputs(), progress: 0.5 });
  expect(worst(live, plain)).toBeGreaterThan(1e-4);
  await transformer.replaceWeights(merged);
  expect(worst(await transformer.predict(inputs()), live)).toBeLessThan(1e-4);
  await transformer.dispose();
});
