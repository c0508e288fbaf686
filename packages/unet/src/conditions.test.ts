import type { Folder } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { cpuOps, createRng, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { changedComponent, createTestDevice, openFixture, readWeights } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadUnet, type UnetInputs } from './load-unet.ts';

type Tensors = Readonly<Record<string, Tensor>>;

let device: Device;
let stored: Folder;
let weights: Tensors;
beforeAll(async () => {
  device = await createTestDevice();
  // 8 and 16 channels, 32 of the time embedding.
  stored = await openFixture('golden/open/models/lcm/unet');
  weights = await readWeights(stored);
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const random = (...dims: number[]) => cpuOps.affine(rng.normal(dims), 0.1, 0);
const inputs = { sample: random(2, 4, 8, 8), timestep: 400, encoderHiddenStates: random(2, 77, 32) };

const load = async (changes: Record<string, unknown>, tensors: Tensors) =>
  loadUnet(await changedComponent(stored, changes, tensors), { device });

async function predict(
  changes: Record<string, unknown>,
  added: Tensors,
  more: Partial<UnetInputs> = {},
): Promise<Tensor> {
  const unet = await load(changes, { ...weights, ...added });
  const output = await unet.predict({ ...inputs, ...more });
  await unet.dispose();
  return output;
}

function difference(a: Tensor, b: Tensor): number {
  expect(a.dims).toEqual(b.dims);
  return a.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b.data[i]!)), 0);
}

const plus = (a: Tensor, b: Tensor) => cpuOps.combine([1, a], [1, b]);
const offset = random(32);
/** What the network gives when `offset` is added to the time embedding by itself. */
const withOffset = () =>
  predict({}, { 'time_embedding.linear_2.bias': plus(weights['time_embedding.linear_2.bias']!, offset) });

test.each([
  {
    name: 'of a table',
    changes: { num_class_embeds: 3 },
    added: () => ({ 'class_embedding.weight': tensor([...new Float32Array(64), ...offset.data], [3, 32]) }),
    classLabels: 2,
  },
  {
    name: 'that is embedded as a timestep',
    changes: { class_embed_type: 'timestep' },
    added: () => ({
      'class_embedding.linear_1.weight': random(32, 8),
      'class_embedding.linear_1.bias': random(32),
      'class_embedding.linear_2.weight': zeros([32, 32]),
      'class_embedding.linear_2.bias': offset,
    }),
    classLabels: [20, 30],
  },
  {
    name: 'that is a projected vector',
    changes: { class_embed_type: 'projection', projection_class_embeddings_input_dim: 5 },
    added: () => ({
      'class_embedding.linear_1.weight': random(32, 5),
      'class_embedding.linear_1.bias': random(32),
      'class_embedding.linear_2.weight': zeros([32, 32]),
      'class_embedding.linear_2.bias': offset,
    }),
    classLabels: random(2, 5),
  },
  {
    name: 'that is a simply projected vector',
    changes: { class_embed_type: 'simple_projection', projection_class_embeddings_input_dim: 1 },
    added: () => ({
      'class_embedding.weight': tensor(offset.data, [32, 1]),
      'class_embedding.bias': zeros([32]),
    }),
    classLabels: tensor([1, 1], [2, 1]),
  },
  {
    name: 'that is the embedding',
    changes: { class_embed_type: 'identity' },
    added: () => ({}),
    classLabels: tensor([...offset.data, ...offset.data], [2, 32]),
  },
])('a class label $name is added to the time embedding', async ({ changes, added, classLabels }) => {
  const actual = await predict(changes, added(), { classLabels });
  expect(difference(actual, await withOffset())).toBeLessThan(1e-5);
  expect(difference(actual, await predict({}, {}))).toBeGreaterThan(1e-3);
});

test('a class label that the model does not take, or none where it takes one, is refused', async () => {
  const plain = await load({}, weights);
  await expect(plain.predict({ ...inputs, classLabels: 1 })).rejects.toThrow(
    'unet: this model takes no "classLabels". Leave it out.',
  );
  await expect(plain.predict({ ...inputs, timestepCond: zeros([2, 8]) })).rejects.toThrow(
    'unet: "timestepCond" is [2, 8], this model takes [2, 16].',
  );
  const added = { textEmbeds: zeros([2, 1]), timeIds: zeros([2, 6]) };
  await expect(plain.predict({ ...inputs, addedConditions: added })).rejects.toThrow(
    'unet: this model takes no "addedConditions". Leave it out.',
  );
  await plain.dispose();
  const labelled = await load(
    { num_class_embeds: 3 },
    { ...weights, 'class_embedding.weight': zeros([3, 32]) },
  );
  await expect(labelled.predict(inputs)).rejects.toThrow(
    'unet: this model takes "classLabels", and none came. Give it.',
  );
  await expect(labelled.predict({ ...inputs, classLabels: 3 })).rejects.toThrow(
    'unet: the class label 3 is not among the 3 of this model. Give an integer from 0 to 2.',
  );
  await labelled.dispose();
});

test('where both attentions are to the text, one token alone shifts all pixels alike', async () => {
  const block = 'down_blocks.0.attentions.0.transformer_blocks.0.attn1';
  const text = random(1, 1, 32);
  const oneToken = { encoderHiddenStates: cpuOps.concat([text, text]) };
  const [value, out] = [random(8, 32), weights[`${block}.to_out.0.weight`]!];
  const product = (matrix: Tensor, vector: Tensor) =>
    tensor(
      Array.from({ length: matrix.dims[0]! }, (_, row) =>
        vector.data.reduce((sum, x, i) => sum + x * matrix.data[row * vector.data.length + i]!, 0),
      ),
      [matrix.dims[0]!],
    );
  // Softmax over one token is 1: attention gives that token's value, whatever the queries and keys are.
  const shift = product(out, product(value, text));
  const crossed = await predict(
    { only_cross_attention: [true, false] },
    {
      [`${block}.to_k.weight`]: random(8, 32),
      [`${block}.to_v.weight`]: value,
      // The way up has two layers of its own.
      ...Object.fromEntries(
        [0, 1].flatMap((layer) => {
          const upper = `up_blocks.1.attentions.${layer}.transformer_blocks.0.attn1`;
          return [
            [`${upper}.to_k.weight`, random(8, 32)],
            [`${upper}.to_v.weight`, zeros([8, 32])],
            [`${upper}.to_out.0.weight`, zeros([8, 8])],
          ];
        }),
      ),
    },
    oneToken,
  );
  const plain = await predict(
    {},
    {
      [`${block}.to_out.0.weight`]: zeros([8, 8]),
      [`${block}.to_out.0.bias`]: plus(weights[`${block}.to_out.0.bias`]!, shift),
      ...Object.fromEntries(
        [0, 1].map((layer) => [
          `up_blocks.1.attentions.${layer}.transformer_blocks.0.attn1.to_out.0.weight`,
          zeros([8, 8]),
        ]),
      ),
    },
    oneToken,
  );
  expect(difference(crossed, plain)).toBeLessThan(1e-5);
});

test('text of another width is projected first', async () => {
  const [wide, projection] = [random(2, 7, 6), random(32, 6)];
  const narrow = tensor(
    Array.from({ length: 2 * 7 * 32 }, (_, i) => {
      const [token, channel] = [Math.floor(i / 32), i % 32];
      return Array.from(
        { length: 6 },
        (_, k) => wide.data[token * 6 + k]! * projection.data[channel * 6 + k]!,
      ).reduce((a, b) => a + b);
    }),
    [2, 7, 32],
  );
  const projected = await predict(
    { encoder_hid_dim: 6 },
    { 'encoder_hid_proj.weight': projection, 'encoder_hid_proj.bias': zeros([32]) },
    { encoderHiddenStates: wide },
  );
  expect(difference(projected, await predict({}, {}, { encoderHiddenStates: narrow }))).toBeLessThan(1e-5);
});

test('transformer layers may be named for each layer, and the way up must then name its own', async () => {
  const named = {
    transformer_layers_per_block: [[1], [1]],
    reverse_transformer_layers_per_block: [1, [1, 1]],
  };
  expect(await predict(named, {})).toEqual(await predict({}, {}));
  await expect(load({ transformer_layers_per_block: [[1], [1]] }, weights)).rejects.toThrow(
    '"reverse_transformer_layers_per_block" in its config.json is null; a list is wanted',
  );
});

test('without a middle, or with one that has no attention, its weights are not used', async () => {
  const without = await load({ mid_block_type: null }, weights);
  const middle = Object.keys(weights).filter((name) => name.startsWith('mid_block.'));
  expect(without.unusedWeights).toEqual(middle);
  expect((await without.predict(inputs)).dims).toEqual([2, 4, 8, 8]);
  await without.dispose();
  const plain = await load({ mid_block_type: 'UNetMidBlock2D' }, weights);
  expect(plain.unusedWeights).toEqual(middle.filter((name) => !name.startsWith('mid_block.resnets.0.')));
  await plain.dispose();
});

test('residuals are added to the skip connections and to the middle, and then may be left out', async () => {
  const unet = await load({}, weights);
  const plain = await unet.predict(inputs);
  // A number for all elements of the middle is what a bias of its last convolution is.
  const zero = zeros([2, 8, 8, 8]);
  const down = [zero, zero, zeros([2, 8, 4, 4]), zeros([2, 16, 4, 4])];
  const residuals = {
    downBlockResiduals: down,
    midBlockResidual: cpuOps.affine(zeros([2, 16, 4, 4]), 1, 0.5),
  };
  const shifted = await unet.predict({ ...inputs, residuals });
  const bias = 'mid_block.resnets.1.conv2.bias';
  const expected = await predict({}, { [bias]: cpuOps.affine(weights[bias]!, 1, 0.5) });
  expect(difference(shifted, expected)).toBeLessThan(1e-5);
  expect(difference(shifted, plain)).toBeGreaterThan(1e-3);
  expect(difference(await unet.predict(inputs), plain)).toBeLessThan(1e-6);
  for (const changed of down.keys()) {
    const downBlockResiduals = down.map((residual, i) => cpuOps.affine(residual, 1, i === changed ? 1 : 0));
    const other = await unet.predict({ ...inputs, residuals: { ...residuals, downBlockResiduals } });
    expect(difference(other, shifted)).toBeGreaterThan(1e-3);
  }
  await expect(
    unet.predict({ ...inputs, residuals: { ...residuals, downBlockResiduals: [zero] } }),
  ).rejects.toThrow(
    'unet: 1 residuals came for 4 skip connections. Use a ControlNet that was trained for this model.',
  );
  await unet.dispose();
});
