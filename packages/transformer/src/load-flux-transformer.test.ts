import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseFluxTransformerConfig } from './flux-config.ts';
import { packLatents, patchPositions } from './flux-tokens.ts';
import { type FluxTransformer, loadFluxTransformer } from './load-flux-transformer.ts';

let device: Device;
let transformer: FluxTransformer;
beforeAll(async () => {
  device = await createTestDevice();
  transformer = await loadFluxTransformer(await openFixture('golden/open/models/flux/transformer'), {
    device,
  });
});
afterAll(() => device.dispose());

const normal = (seed: number, ...dims: number[]) => createRng({ kind: 'torch-cpu', seed }).normal(dims);
const inputs = () => ({
  sample: packLatents(normal(0, 1, 16, 4, 8)),
  timestep: 0.5,
  guidance: 3.5,
  encoderHiddenStates: normal(1, 1, 5, 64),
  pooledTextEmbeds: normal(2, 1, 32),
  positions: patchPositions(4, 8),
});
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('every weight is used', () => {
  expect(transformer.unusedWeights).toEqual([]);
});

test('the velocity depends on the time, the guidance, the text and where the tokens are', async () => {
  const out = await transformer.predict(inputs());
  expect(out.dims).toEqual([1, 8, 64]);
  const others = [
    { timestep: 0.6 },
    { guidance: 4 },
    { encoderHiddenStates: normal(3, 1, 5, 64) },
    { pooledTextEmbeds: normal(4, 1, 32) },
    { positions: patchPositions(8, 4) },
  ];
  for (const other of others)
    expect(worst(await transformer.predict({ ...inputs(), ...other }), out)).toBeGreaterThan(1e-4);
});

test('inputs that the model does not take are refused with what it takes', async () => {
  await expect(transformer.predict({ ...inputs(), guidance: undefined })).rejects.toThrow(
    'transformer: "guidance" is missing. This model takes the strength of guidance as an input: give a number, for instance 3.5.',
  );
  await expect(transformer.predict({ ...inputs(), pooledTextEmbeds: zeros([1, 768]) })).rejects.toThrow(
    'transformer: "pooledTextEmbeds" is [1, 768], this model takes [1, 32]. Use the text encoders and the latents that belong to it.',
  );
  await expect(transformer.predict({ ...inputs(), timestep: [1, 0.5] })).rejects.toThrow(
    'transformer: "timestep" has 2 numbers for 1 samples. Give one for all or one for each.',
  );
});

test('axes that do not make up a head are refused', () => {
  expect(() => parseFluxTransformerConfig('transformer', { axes_dims_rope: [16, 56, 58] })).toThrow(
    'transformer: "axes_dims_rope" in its config.json is [16,56,58]; even numbers that add up to the 128 channels of a head are wanted.',
  );
  expect(parseFluxTransformerConfig('transformer', {})).toMatchObject({ features: 3072, guidance: false });
});

test('every linear layer of the blocks takes an adapter live, as if it were in the weights', async () => {
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
});
