import { GraphBuilder } from '@emulsion/onnx';
import { type Device, RunError, type Session } from '@emulsion/runtime';
import {
  cpuOps,
  createRng,
  interpolationModes,
  ShapeError,
  type Tensor,
  type TensorOps,
  tensor,
} from '@emulsion/tensor';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createDevice } from '../create-device.ts';
import { openGraphicsCard } from '../graphics-card.ts';
import { Onnxruntime } from '../onnxruntime.ts';
import { WebDevice } from '../web-device.ts';
import { GpuMemory } from './gpu-memory.ts';
import { gpuOps } from './gpu-ops.ts';
import type { GpuTensor } from './gpu-tensor.ts';
import { type GpuWorkspace, workspaceOpener } from './gpu-workspace.ts';
import { KernelRunner } from './kernel.ts';

let device: Device;
let workspace: GpuWorkspace;
beforeAll(async () => {
  device = await createDevice('webgpu');
  workspace = device.openWorkspace() as GpuWorkspace; // what a WebGPU device opens
});
afterAll(async () => {
  workspace.dispose();
  await device.dispose();
});

/** What a promise is rejected with, as text. */
const rejection = (promise: Promise<unknown>) => promise.then(() => 'nothing was refused', String);

const rng = createRng({ kind: 'torch-cpu', seed: 7 });
// More than one group of invocations, and not a multiple of their number.
const dims = [2, 3, 17, 13];
const [a, b, c] = [rng.normal(dims), rng.normal(dims), rng.normal(dims)];
const many = Array.from({ length: 16 }, (_, i) => [1 / (i + 1), rng.normal(dims)] as const);
const loud = cpuOps.affine(a, 7, 0.5);

/** float32 has 24 bits: sums of a few terms are off by some units in the last place of the largest. */
const tolerance = 2e-6;

const cases: Readonly<Record<string, (ops: TensorOps) => Tensor>> = {
  'combine, one term': (ops) => ops.combine([0.3, a]),
  'combine, two terms': (ops) => ops.combine([1 / 3, a], [-1.7, b]),
  'combine, the same tensor twice': (ops) => ops.combine([2, a], [-0.5, a]),
  'combine, seven terms': (ops) => ops.combine(...([many[0]!, ...many.slice(1, 7)] as const)),
  'combine, more terms than a kernel has arrays': (ops) =>
    ops.combine(...([many[0]!, ...many.slice(1)] as const)),
  affine: (ops) => ops.affine(a, -2.5, 0.125),
  multiply: (ops) => ops.multiply(a, b),
  'multiply with itself': (ops) => ops.multiply(a, a),
  exp: (ops) => ops.exp(a),
  sqrt: (ops) => ops.sqrt(ops.multiply(a, a)),
  clamp: (ops) => ops.clamp(a, -0.5, 0.75),
  'dynamicThreshold at a quantile': (ops) => ops.dynamicThreshold(loud, 0.9, 100),
  'dynamicThreshold at the median': (ops) => ops.dynamicThreshold(loud, 0.5, 100),
  'dynamicThreshold at the largest': (ops) => ops.dynamicThreshold(loud, 1, 100),
  'dynamicThreshold at the smallest, which never enlarges': (ops) => ops.dynamicThreshold(loud, 0, 100),
  'dynamicThreshold, limited': (ops) => ops.dynamicThreshold(loud, 0.995, 1.5),
  'dynamicThreshold among equals': (ops) =>
    ops.dynamicThreshold(tensor([2, -2, 2, 2, 3, -3, 2, 2], [2, 4]), 0.6, 10),
  matchStandardDeviation: (ops) => ops.matchStandardDeviation(loud, b),
  scaleByNorms: (ops) => ops.scaleByNorms(a, loud, b),
  'scaleByNorms of other batches': (ops) => ops.scaleByNorms(a, tensor([3, 4], [1, 2]), c),
  'concat along the batch': (ops) => ops.concat([a, tensor(b.data.slice(0, 663), [1, 3, 17, 13])]),
  'concat along the channels': (ops) => ops.concat([a, ops.slice(b, 0, 1, 1), c], 1),
  'concat along the last axis': (ops) => ops.concat([a, b], 3),
  'slice of the batch': (ops) => ops.slice(a, 1, 2),
  'slice of the channels': (ops) => ops.slice(a, 1, 3, 1),
  'slice of the last axis': (ops) => ops.slice(a, 2, 7, 3),
  ...Object.fromEntries(
    interpolationModes.flatMap((mode) =>
      [
        [34, 26],
        [9, 20],
        [17, 5],
      ].map(([height, width]) => [
        `interpolate, ${mode}, ${height} x ${width}`,
        (ops: TensorOps) => ops.interpolate(a, height!, width!, mode),
      ]),
    ),
  ),
};

test.each(Object.entries(cases))('%s is on the card what it is on the processor', async (_, compute) => {
  const [expected, computed] = [compute(cpuOps), compute(workspace.ops)];
  const actual = await workspace.read(computed);
  expect(actual.dims).toEqual(expected.dims);
  const scale = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const worst = expected.data.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - actual.data[i]!)),
    0,
  );
  expect(worst).toBeLessThanOrEqual(tolerance * scale);
  workspace.release(computed);
});

describe('combineInto', () => {
  test('computes in the memory that it is given', async () => {
    const out = workspace.ops.affine(a, 0, 0);
    expect(workspace.ops.combineInto(out, [2, a], [1, b])).toBe(out);
    expect((await workspace.read(out)).data[5]).toBeCloseTo(2 * a.data[5]! + b.data[5]!, 5);
    workspace.release(out);
  });

  test('gives another tensor where it is one of the terms, or lies on the host', async () => {
    const x = workspace.ops.affine(a, 1, 0);
    const doubled = workspace.ops.combineInto(x, [1, x], [1, x]);
    expect((await workspace.read(doubled)).data[5]).toBeCloseTo(2 * a.data[5]!, 5);
    expect(() => workspace.ops.exp(x)).toThrow('The tensor [2, 3, 17, 13] was given up');
    const kept = a.data.slice();
    workspace.release(workspace.ops.combineInto(a, [1, b]), doubled);
    expect(a.data).toEqual(kept);
  });
});

test('combineAndScale gives the sum, and its product in the memory that it is given', async () => {
  const out = workspace.ops.affine(a, 0, 0);
  const [sum, product] = workspace.ops.combineAndScale(3, { product: out }, [2, a], [1, b]);
  expect(product).toBe(out);
  const expected = 2 * a.data[5]! + b.data[5]!;
  expect((await workspace.read(sum)).data[5]).toBeCloseTo(expected, 5);
  expect((await workspace.read(product)).data[5]).toBeCloseTo(3 * expected, 4);
  const [again, doubled] = workspace.ops.combineAndScale(2, { sum: product }, [1, a], [1, b]);
  expect(again).toBe(product);
  expect((await workspace.read(doubled)).data[5]).toBeCloseTo(2 * (a.data[5]! + b.data[5]!), 5);
  workspace.release(sum, product, doubled);
});

test('dims that do not fit are refused as on the processor', () => {
  const x = tensor([1, 2], [1, 2]);
  for (const compute of [
    (ops: TensorOps) => ops.combine([1, a], [1, x]),
    (ops: TensorOps) => ops.combineInto(x, [1, a]),
    (ops: TensorOps) => ops.multiply(a, x),
    (ops: TensorOps) => ops.matchStandardDeviation(a, x),
    (ops: TensorOps) => ops.concat([a, x]),
    (ops: TensorOps) => ops.concat([]),
    (ops: TensorOps) => ops.interpolate(tensor([1], [1]), 2, 2, 'nearest'),
    (ops: TensorOps) => ops.interpolate(a, 2, 0.5, 'nearest'),
  ]) {
    let message = 'nothing was refused';
    try {
      compute(cpuOps);
    } catch (error) {
      message = (error as Error).message; // everything that is thrown here
    }
    expect(() => compute(workspace.ops)).toThrow(message);
  }
  expect(() => workspace.ops.combine([1, a], [1, x])).toThrow(ShapeError);
});

test('what is no finite number is counted, over all samples', async () => {
  const broken = tensor(a.data.slice(), dims);
  broken.data.set([Number.NaN, Number.POSITIVE_INFINITY, 3e38], 0);
  broken.data.set([Number.NEGATIVE_INFINITY, 0, 1e-40], 700);
  expect(await workspace.countNonFinite(broken)).toBe(3);
  const x = workspace.ops.combine([1, a]);
  expect(await workspace.countNonFinite(x)).toBe(0);
  workspace.release(x);
});

test('elements that lie on the card are not at hand, and the error says how to get them', () => {
  const x = workspace.ops.affine(a, 1, 0);
  expect(() => x.data).toThrow(RunError);
  expect(() => cpuOps.combine([1, x])).toThrow(
    'The tensor [2, 3, 17, 13] lies on the graphics card and has no data at hand. Read it with the workspace that it belongs to.',
  );
  workspace.release(x);
});

test('the memory of what is given up is used again', () => {
  const before = workspace.memory.bytes;
  const x = workspace.ops.combine([1, a]);
  expect(workspace.memory.bytes).toBe(before + 5312); // 1326 elements, in multiples of 16 bytes
  workspace.release(x, b);
  workspace.release(x);
  expect(workspace.memory.bytes).toBe(before);
});

describe('runs', () => {
  /** `y = x · w + 1`, and the sum of all of `x`. */
  function graph() {
    const g = new GraphBuilder('step');
    const [x, w] = [g.input('x', 'float32', ['n', 2]), g.input('w', 'float32', [2, 2])];
    g.output('y', g.op('Add', [g.op('MatMul', [x, w]), g.scalar(1)]));
    g.output('sum', g.op('ReduceSum', [x], { keepdims: 0 }));
    return g.build();
  }
  const x = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
  const w = tensor([0, 2, 1, 0], [2, 2]);
  let session: Session;
  beforeAll(async () => {
    session = await device.createSession(graph());
  });
  afterAll(() => session.dispose());

  test('outputs stay in a workspace, go through its operations into the next run, and nothing comes back', async () => {
    const space = device.openWorkspace();
    const mapped = vi.spyOn(GPUBuffer.prototype, 'mapAsync');
    const first = await session.run({ x, w }, { workspace: space });
    const halved = space.ops.affine(first.y!, 0.5, 0);
    const second = await session.run({ x: halved, w }, { workspace: space });
    expect(mapped).not.toHaveBeenCalled();
    expect((await space.read(second.y!)).data).toEqual(Float32Array.of(2.5, 4, 4.5, 6, 6.5, 8));
    expect((await space.read(second.sum!)).data).toEqual(Float32Array.of(18));
    expect(second.sum!.dims).toEqual([]);
    expect(mapped).toHaveBeenCalledTimes(2);
    mapped.mockRestore();
    space.dispose();
  });

  test('without a workspace they come to the host, also of what lies on the card', async () => {
    const onCard = workspace.ops.combine([1, x]);
    const { y } = await session.run({ x: onCard, w });
    expect(y!.data).toEqual(Float32Array.of(3, 3, 5, 7, 7, 11));
    workspace.release(onCard);
  });

  test('a workspace that has ended takes nothing, and its tensors are refused', async () => {
    const space = device.openWorkspace();
    const { y } = await session.run({ x, w }, { workspace: space });
    space.dispose();
    expect(await rejection(space.read(y!))).toBe(
      'RunError: The tensor [3, 2] was given up, or its workspace has ended. Read what is needed before that.',
    );
    expect(() => space.ops.exp(x)).toThrow(
      'The workspace has ended. Open a new one to compute on the graphics card.',
    );
    expect(await rejection(session.run({ x: y!, w }))).toMatch(/^RunError: The tensor \[3, 2\] was given up/);
    // The device goes on.
    expect((await session.run({ x, w })).sum!.data).toEqual(Float32Array.of(21));
  });

  test('an aborted run leaves a workspace that can be ended at once', async () => {
    const space = device.openWorkspace();
    const controller = new AbortController();
    const reason = new Error('enough');
    const run = session.run(
      { x: space.ops.combine([1, x]), w },
      { workspace: space, signal: controller.signal },
    );
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
    space.dispose();
    expect((await session.run({ x, w })).sum!.data).toEqual(Float32Array.of(21));
  });
});

describe('a card of its own', () => {
  const open = async (budget?: number) => {
    const card = await openGraphicsCard();
    const whileThere = <T>(work: Promise<T>) => work;
    const memory = new GpuMemory({ device: card, whileThere }, budget);
    return { card, memory, ops: gpuOps(memory, new KernelRunner(card)) };
  };

  test('the oldest tensors go to the host when there are too many, and are computed with as before', async () => {
    const { card, memory, ops } = await open(3 * 5312);
    const tensors = [a, b, c].flatMap((x) => [ops.affine(x, 1, 0), ops.affine(x, 2, 0)]);
    expect(memory.bytes).toBe(6 * 5312);
    await memory.makeRoom();
    // What came since the last run is likely to be fed to the next.
    expect(memory.bytes).toBe(6 * 5312);
    await memory.makeRoom();
    expect(memory.bytes).toBe(3 * 5312);
    expect(tensors.map((x) => (x as GpuTensor).place instanceof GPUBuffer)).toEqual([
      ...[false, false, false],
      ...[true, true, true],
    ]);
    const [sum] = await memory.read([ops.combine([1, tensors[0]!], [1, tensors[5]!])]);
    expect(sum![3]).toBeCloseTo(a.data[3]! + 2 * c.data[3]!, 5);
    expect((await memory.read(tensors)).map((elements) => elements[3])).toEqual(
      [a, b, c].flatMap(({ data }) => [data[3], 2 * data[3]!]),
    );
    expect(() => tensors[0]!.data).toThrow(RunError);
    memory.end();
    memory.destroy();
    card.destroy();
  });

  test('what the card refuses is an error of what is read next, not a wrong number', async () => {
    const { card, memory, ops } = await open();
    const foreign = await openGraphicsCard();
    const stranger = new GpuMemory({ device: foreign, whileThere: (work) => work });
    const x = ops.combine([1, stranger.upload(a)]);
    expect(await rejection(memory.read([x]))).toMatch(/^RunError: The graphics card refused to compute: /);
    card.destroy();
    foreign.destroy();
  });
});

test('a card that goes away is said to have gone, also to whom reads', async () => {
  const card = await openGraphicsCard();
  const lost = new WebDevice(await Onnxruntime.for('webgpu', {}), card, workspaceOpener);
  const space = lost.openWorkspace();
  const x = space.ops.combine([1, a]);
  const reading = rejection(space.read(x));
  card.destroy();
  expect(await reading).toMatch(/^DeviceLostError: The graphics card "google swiftshader" went away: /);
  expect(await rejection(space.countNonFinite(x))).toMatch(/^DeviceLostError: /);
  space.dispose();
  await lost.dispose();
});

test('a card that goes away while it runs takes the run with it', async () => {
  const card = await openGraphicsCard();
  const lost = new WebDevice(await Onnxruntime.for('webgpu', {}), card, workspaceOpener);
  const g = new GraphBuilder('powers');
  const x = g.input('x', 'float32', ['n', 'n']);
  let y = x;
  for (let i = 0; i < 30; i++) y = g.op('MatMul', [y, x]);
  g.output('y', y);
  const session = await lost.createSession(g.build());
  const space = lost.openWorkspace();
  const zeros = tensor(new Float32Array(256 ** 2), [256, 256]);
  const run = rejection(session.run({ x: zeros }));
  const another = rejection(
    session.run({ x: zeros }, { workspace: space }).then(({ y }) => space.countNonFinite(y!)),
  );
  await new Promise((resolve) => setTimeout(resolve, 30));
  card.destroy();
  expect(await run).toMatch(/^DeviceLostError: /);
  expect(await another).toMatch(/^DeviceLostError: /);
  await lost.dispose();
});
