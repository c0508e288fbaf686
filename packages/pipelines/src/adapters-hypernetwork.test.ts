import {
  applyHypernetwork,
  type HypernetworkLayer,
  hypernetworkActivations,
  readHypernetwork,
} from '@emulsion/adapters';
import { contextChanges, contextUses, NetworkBuilder } from '@emulsion/nn';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { loadUnet } from '@emulsion/unet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contextsOf } from './adapters-hypernetwork.ts';

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });

const linear = (inFeatures: number, outFeatures: number): HypernetworkLayer => ({
  kind: 'linear',
  weight: rng.normal([outFeatures, inFeatures]),
  bias: rng.normal([outFeatures]),
});

const worst = (some: Tensor, others: Tensor) =>
  some.data.reduce((max, value, i) => Math.max(max, Math.abs(value - others.data[i]!)), 0);

test('every activation is in a graph what it is by its definition', async () => {
  const n = new NetworkBuilder('activations', device.dialect);
  const x = n.input('x', 'float32', ['batch', 'sequence', 6]);
  const changes = hypernetworkActivations.map((name) => {
    const layers: HypernetworkLayer[] = [
      linear(6, 6),
      { kind: 'activation', name },
      { kind: 'layerNorm', weight: rng.normal([6]), bias: rng.normal([6]) },
    ];
    const change = contextsOf({ widths: new Map([[6, { key: layers, value: [linear(6, 6)] }]]) });
    n.output(name, change.widths.get(6)!.key(n, x, name));
    return { name, layers };
  });
  const context = rng.normal([2, 5, 6]);
  const session = await device.createSession(n.build());
  const outputs = await session.run({ x: context });
  for (const { name, layers } of changes) {
    const applied = applyHypernetwork(layers, context);
    const added = tensor(
      applied.data.map((value, i) => value - context.data[i]!),
      context.dims,
    );
    expect(worst(outputs[name]!, added), name).toBeLessThan(2e-4);
  }
  await session.dispose();
});

test('several changes follow each other, each with its strength, and none changes nothing', async () => {
  const pair = () => ({ key: [linear(6, 6)], value: [linear(6, 3), linear(3, 6)] });
  const pairs = [pair(), pair()];
  const context = rng.normal([1, 4, 6]);
  for (const strengths of [
    [0.5, -0.25],
    [0, 1],
    [0, 0],
  ]) {
    const n = new NetworkBuilder('contexts', device.dialect);
    const change = contextChanges(
      n,
      pairs.map((layers) => contextsOf({ widths: new Map([[6, layers]]) })),
    );
    const x = n.input('x', 'float32', ['batch', 'sequence', 6]);
    for (const use of contextUses) n.output(use, change(x, 6)[use]);
    n.output('other', change(n.op('Slice', [x, n.ints(0), n.ints(4), n.ints(2)]), 4).key);
    const session = await device.createSession(n.build());
    const outputs = await session.run({ x: context, context_strengths: tensor(strengths, [2]) });
    for (const use of contextUses) {
      const expected = pairs.reduce(
        (given, layers, i) => applyHypernetwork(layers[use], given, strengths[i]!),
        context,
      );
      expect(worst(outputs[use]!, expected)).toBeLessThan(1e-4);
      if (strengths.every((strength) => strength === 0)) expect(outputs[use]!.data).toEqual(context.data);
    }
    expect(outputs.other!.dims).toEqual([1, 4, 4]);
    await session.dispose();
  }
});

test('a U-Net is bit by bit itself while a hypernetwork has strength 0, and after it is gone', async () => {
  const unet = await loadUnet(await openFixture('golden/open/models/sd1/unet'), { device });
  const inputs = {
    sample: rng.normal([1, 4, 8, 8]),
    encoderHiddenStates: rng.normal([1, 77, 32]),
    timestep: 300,
  };
  const plain = await unet.predict(inputs);
  const files = await openFixture('golden/open/adapters/files');
  const contexts = contextsOf(await readHypernetwork(files, 'hn_relu_ln.pt'));
  let strength = 0;
  await unet.adapt([{ modules: new Map(), contexts, strength: () => strength }]);
  expect((await unet.predict(inputs)).data).toEqual(plain.data);
  strength = 1;
  expect(worst(await unet.predict(inputs), plain)).toBeGreaterThan(1e-3);
  await unet.adapt([]);
  expect((await unet.predict(inputs)).data).toEqual(plain.data);
  await unet.dispose();
});
