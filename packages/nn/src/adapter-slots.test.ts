import { memoryFolder, openSafetensors, writeSafetensors } from '@emulsion/checkpoints';
import type { Value } from '@emulsion/onnx';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AdapterFeeds, type ModuleAdapter, type NetworkAdapter } from './adapter-feeds.ts';
import { type SlotKind, slotKinds } from './adapter-slots.ts';
import { conv2d } from './conv2d.ts';
import { enlargingConv2d } from './enlarging-conv2d.ts';
import { linear } from './linear.ts';
import { NetworkBuilder } from './network-builder.ts';
import { groupNorm, layerNorm } from './norms.ts';
import { slotsOf } from './wanted-slots.ts';
import { WeightScope } from './weight-scope.ts';

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const random = (...dims: number[]) => rng.normal(dims);

/** A layer, the tensors of its weights, and what it is asked. */
interface Layer {
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly x: Tensor;
  write(n: NetworkBuilder, x: Value, w: WeightScope): Value;
}

async function scopeOf(weights: Layer['weights']): Promise<WeightScope> {
  const named = Object.fromEntries(
    Object.entries(weights).map(([name, value]) => [`layer.${name}`, value] as const),
  );
  const folder = memoryFolder({ 'model.safetensors': writeSafetensors(named) });
  return WeightScope.of('test', await openSafetensors(folder, 'model.safetensors')).at('layer');
}

/** What the layer makes of its input, with slots of all kinds and these adapters, or without any slots. */
async function evaluate(
  { weights, x, write }: Layer,
  adapters?: readonly NetworkAdapter[],
  branches = device.dialect.branches,
): Promise<Tensor> {
  const dialect = { ...device.dialect, branches };
  const n = new NetworkBuilder('test', dialect, () => new Set(adapters && slotKinds));
  const input = n.input(
    'x',
    'float32',
    x.dims.map((dim, axis) => (axis === 1 || axis === 0 ? `x${axis}` : dim)),
  );
  n.output('y', write(n, input, await scopeOf(weights)));
  const { graph } = n.build();
  const session = await device.createSession(n.build());
  const feeds = new AdapterFeeds(device);
  await feeds.adapt(adapters ?? [], graph.inputs);
  const { y } = await feeds.run({ session, inputs: graph.inputs }, { x }, { progress: 0 });
  await feeds.dispose();
  await session.dispose();
  return y!;
}

const adapter = (change: ModuleAdapter, strength = 1): NetworkAdapter => ({
  modules: new Map([['layer', change]]),
  strength: () => strength,
});

/** a · b of matrices, the first of which may have more axes behind. */
function product(a: Tensor, b: Tensor): Float64Array {
  const [rows = 0, inner = 0] = a.dims;
  const columns = b.data.length / inner;
  const result = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < inner; k++)
      for (let j = 0; j < columns; j++)
        result[i * columns + j]! += a.data[i * inner + k]! * b.data[k * columns + j]!;
  return result;
}

const plus = (to: Tensor, change: ArrayLike<number>, strength: number) =>
  tensor(
    to.data.map((value, i) => value + strength * change[i]!),
    to.dims,
  );

function expectClose(actual: Tensor, expected: Tensor, tolerance = 1e-4): void {
  expect(actual.dims).toEqual(expected.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

const layers: readonly (Layer & { readonly name: string; readonly change: ModuleAdapter })[] = [
  {
    name: 'a linear layer of a sequence',
    weights: { weight: random(8, 6), bias: random(8) },
    x: random(2, 5, 6),
    write: (n, x, w) => linear(n, x, w, { inFeatures: 6, outFeatures: 8 }),
    change: { lowRank: { down: random(3, 6), up: random(8, 3) }, delta: random(8, 6), bias: random(8) },
  },
  {
    name: 'a part of a linear layer without a bias',
    weights: { weight: random(8, 6) },
    x: random(4, 6),
    write: (n, x, w) => linear(n, x, w, { inFeatures: 6, outFeatures: 8, bias: false, rows: [2, 5] }),
    change: { lowRank: { down: random(2, 6), up: random(8, 2) }, delta: random(8, 6) },
  },
  {
    name: 'a convolution with a stride',
    weights: { weight: random(5, 4, 3, 3), bias: random(5) },
    x: random(2, 4, 7, 6),
    write: (n, x, w) => conv2d(n, x, w, { inChannels: 4, outChannels: 5, kernel: 3, stride: 2 }),
    change: {
      lowRank: { down: random(3, 4, 3, 3), up: random(5, 3, 1, 1) },
      delta: random(5, 4, 3, 3),
      bias: random(5),
    },
  },
  {
    name: 'a convolution that enlarges',
    weights: { weight: random(4, 4, 3, 3), bias: random(4) },
    x: random(1, 4, 3, 5),
    write: (n, x, w) => enlargingConv2d(n, x, w, { inChannels: 4, outChannels: 4 }),
    change: { lowRank: { down: random(2, 4, 3, 3), up: random(4, 2, 1, 1) }, delta: random(4, 4, 3, 3) },
  },
  {
    name: 'a layer normalization',
    weights: { weight: random(6), bias: random(6) },
    x: random(2, 3, 6),
    write: (n, x, w) => layerNorm(n, x, w, 6),
    change: { delta: random(6), bias: random(6) },
  },
  {
    name: 'a group normalization',
    weights: { weight: random(4), bias: random(4) },
    x: random(2, 4, 3, 3),
    write: (n, x, w) => groupNorm(n, x, w, { channels: 4, groups: 2, epsilon: 1e-5 }),
    change: { delta: random(4), bias: random(4) },
  },
];

/** The layer with a change in its weights. */
function merged(
  { weights, ...rest }: Layer,
  { lowRank, delta, bias }: ModuleAdapter,
  strength: number,
): Layer {
  let { weight } = weights;
  if (lowRank) weight = plus(weight!, product(lowRank.up, lowRank.down), strength);
  if (delta) weight = plus(weight!, delta.data, strength);
  const shifted = bias && { bias: plus(weights.bias!, bias.data, strength) };
  return { ...rest, weights: { ...weights, weight: weight!, ...shifted } };
}

for (const { name, change, ...layer } of layers) {
  test(`${name} is changed by an adapter as if that were in its weights`, async () => {
    expectClose(await evaluate(layer, [adapter(change, 0.7)]), await evaluate(merged(layer, change, 0.7)));
    expectClose(
      await evaluate(layer, [adapter(change, -1.5)], false),
      await evaluate(merged(layer, change, -1.5)),
    );
  });

  test(`${name} is bit by bit itself at strength 0 and without adapters`, async () => {
    const plain = await evaluate(layer);
    expect((await evaluate(layer, [])).data).toEqual(plain.data);
    expect((await evaluate(layer, [adapter(change, 0)])).data).toEqual(plain.data);
    expect((await evaluate(layer, [adapter(change, 0)], false)).data).toEqual(plain.data);
  });

  test(`${name} is changed by two adapters in any order`, async () => {
    const [first, second] = [adapter(change, 0.5), adapter(change, -0.2)];
    const both = await evaluate(layer, [first, second]);
    expectClose(both, await evaluate(layer, [second, first]), 1e-5);
    expectClose(both, await evaluate(merged(layer, change, 0.3)));
  });
}

/** The first layer with slots, loaded. */
async function loadWithSlots(kinds: readonly SlotKind[]) {
  const { weights, write } = layers[0]!;
  const n = new NetworkBuilder('test', device.dialect, () => new Set(kinds));
  n.output('y', write(n, n.input('x', 'float32', ['batch', 'sequence', 6]), await scopeOf(weights)));
  const model = n.build();
  return { session: await device.createSession(model), inputs: model.graph.inputs };
}

test('an adapter that does not fit its module is refused, and the former ones stay', async () => {
  const { x, change } = layers[0]!;
  const loaded = await loadWithSlots(slotKinds);
  expect(slotsOf(loaded.inputs)).toEqual(new Map([['layer', new Set(slotKinds)]]));
  const feeds = new AdapterFeeds(device);
  await feeds.adapt([adapter(change)], loaded.inputs);
  const before = await feeds.run(loaded, { x }, { progress: 0 });
  const stranger = adapter({ lowRank: { down: random(3, 7), up: random(8, 3) } });
  await expect(feeds.adapt([stranger], loaded.inputs)).rejects.toThrow(
    'layer: an adapter changes it by [3, 7], and it takes [rank, 6]. The adapter is for another model.',
  );
  expect((await feeds.run(loaded, { x }, { progress: 0 })).y!.data).toEqual(before.y!.data);
  await feeds.dispose();
});

test('an adapter that comes while weights are on their way is of the next run', async () => {
  const { weights, x, write, change } = layers[0]!;
  const loaded = await loadWithSlots(['lowRank']);
  const feeds = new AdapterFeeds(device);
  const [first, second] = [adapter({ lowRank: change.lowRank }), adapter({ lowRank: change.lowRank }, 0.5)];
  await feeds.adapt([first], loaded.inputs);
  const alone = await feeds.run(loaded, { x }, { progress: 0 });
  // The weights of both are sent first, and are there before those that the run sends again.
  const [, meanwhile] = await Promise.all([
    feeds.adapt([first, second], loaded.inputs),
    feeds.run(loaded, { x }, { progress: 0 }),
  ]);
  const both = await feeds.run(loaded, { x }, { progress: 0 });
  expect(meanwhile.y!.data).toEqual(alone.y!.data);
  expectClose(both.y!, await evaluate(merged({ weights, x, write }, { lowRank: change.lowRank }, 1.5)));
  await loaded.session.dispose();
  await feeds.dispose();
  await expect(feeds.run(loaded, { x }, { progress: 0 })).rejects.toThrow('test was disposed.');
});

test('strengths are asked for in each run, with how far the painting is', async () => {
  const { weights, x, write, change } = layers[0]!;
  const loaded = await loadWithSlots(['lowRank']);
  const feeds = new AdapterFeeds(device);
  const fading: NetworkAdapter = {
    modules: new Map([['layer', { lowRank: change.lowRank }]]),
    strength: (module, progress) => (module === 'layer' ? 1 - progress : Number.NaN),
  };
  await feeds.adapt([fading], loaded.inputs);
  for (const progress of [0, 0.25, 1]) {
    const { y } = await feeds.run(loaded, { x }, { progress });
    const expected = merged({ weights, x, write }, { lowRank: change.lowRank }, 1 - progress);
    expectClose(y!, await evaluate(expected));
  }
  await feeds.dispose();
});
