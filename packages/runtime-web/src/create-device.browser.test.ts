import { type FileRef, GraphBuilder } from '@emulsion/onnx';
import { DeviceLostError, RunError } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDevice } from './create-device.ts';
import { openGraphicsCard } from './graphics-card.ts';
import { Onnxruntime } from './onnxruntime.ts';
import { WebDevice } from './web-device.ts';

/** Multiplies `x` by itself `times` times: a graph whose run takes as long as is wanted. */
function powers(times: number) {
  const g = new GraphBuilder('powers');
  const x = g.input('x', 'float32', ['n', 'n']);
  let y = x;
  for (let i = 0; i < times; i++) y = g.op('MatMul', [y, x]);
  g.output('y', y);
  return g.build();
}

const swap = tensor([0, 2, 2, 0], [2, 2]);
const identity = (n: number) =>
  tensor(
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    [n, n],
  );

describe.each(['wasm', 'webgpu'] as const)('%s', (kind) => {
  let device: WebDevice;
  beforeAll(async () => {
    device = await createDevice(kind);
  });
  afterAll(() => device.dispose());

  test('a graph runs and gives its outputs by name', async () => {
    expect(device.kind).toBe(kind);
    const session = await device.createSession(powers(3));
    const { y } = await session.run({ x: swap });
    expect(y?.dims).toEqual([2, 2]);
    expect([...(y?.data ?? [])]).toEqual([16, 0, 0, 16]);
    await session.dispose();
    await session.dispose();
    await expect(session.run({ x: swap })).rejects.toThrow('powers was disposed. Load it again to run it.');
  });

  test('what is asked for at once is done one after the other', async () => {
    const sessions = await Promise.all([1, 2, 3].map((times) => device.createSession(powers(times))));
    const runs = sessions.flatMap((session) => [session.run({ x: swap }), session.run({ x: identity(2) })]);
    const results = (await Promise.all(runs)).map(({ y }) => y?.data.join());
    expect(results).toEqual(['4,0,0,4', '1,0,0,1', '0,8,8,0', '1,0,0,1', '16,0,0,16', '1,0,0,1']);
    await Promise.all(sessions.map((session) => session.dispose()));
  });

  test('weights come from Blobs and bytes, at any offset', async () => {
    const values = Float32Array.of(1, 10, 100);
    const bytes = new Uint8Array([7, ...new Uint8Array(values.buffer), 7]);
    const files: FileRef[] = [
      { kind: 'blob', name: 'model', blob: new Blob([bytes]) },
      { kind: 'bytes', name: 'model', bytes },
    ];
    const g = new GraphBuilder('sums');
    const x = g.input('x', 'float32', [1]);
    const weights = files.flatMap((file, f) =>
      [1, 5, 9].map((offset) => g.initializer(`w${f}${offset}`, 'float32', [1], { file, offset, length: 4 })),
    );
    for (const [i, weight] of weights.entries()) g.output(`y${i}`, g.op('Add', [x, weight]));
    const session = await device.createSession(g.build());
    const outputs = await session.run({ x: tensor([0.5], [1]) });
    expect(Object.values(outputs).map(({ data }) => data[0])).toEqual([1.5, 10.5, 100.5, 1.5, 10.5, 100.5]);
    await session.dispose();
  });

  test('an aborted run rejects with the reason, and the session runs again', async () => {
    const session = await device.createSession(powers(10));
    const reason = new Error('enough');
    const controller = new AbortController();
    const runs = [
      session.run({ x: identity(128) }),
      session.run({ x: identity(128) }, { signal: controller.signal }),
    ];
    controller.abort(reason);
    await expect(runs[1]).rejects.toBe(reason);
    expect((await runs[0])?.y?.data.length).toBe(128 ** 2);
    await expect(session.run({ x: swap }, { signal: controller.signal })).rejects.toBe(reason);
    await expect(device.createSession(powers(1), { signal: controller.signal })).rejects.toBe(reason);
    const { y } = await session.run({ x: identity(2) });
    expect([...(y?.data ?? [])]).toEqual([1, 0, 0, 1]);
    await session.dispose();
  });

  test('a missing input, a wrong shape and an unknown operator are errors that name the graph', async () => {
    const session = await device.createSession(powers(1));
    await expect(session.run({})).rejects.toThrow(new RegExp(`^powers failed on ${kind}: .*x`));
    await expect(session.run({ x: tensor([1, 2], [1, 2]) })).rejects.toSatisfy((error) => RunError.is(error));
    await session.dispose();
    const g = new GraphBuilder('strange');
    g.output('y', g.op('NoSuchOperator', [g.input('x', 'float32', [1])]));
    await expect(device.createSession(g.build())).rejects.toThrow(
      new RegExp(`^strange could not be loaded on ${kind}: .*NoSuchOperator`),
    );
  });

  test('a disposed device is gone with its sessions; others go on', async () => {
    const other = await createDevice(kind);
    const session = await other.createSession(powers(1));
    await other.dispose();
    const message = 'The device was disposed. Create a new one to go on.';
    await expect(session.run({ x: swap })).rejects.toThrow(message);
    await expect(other.createSession(powers(1))).rejects.toThrow(message);
    const again = await device.createSession(powers(1));
    expect([...((await again.run({ x: swap })).y?.data ?? [])]).toEqual([4, 0, 0, 4]);
    await again.dispose();
  });
});

test('on this software driver fused attention is wrong, which is found once and remembered', async () => {
  const device = await createDevice('webgpu');
  expect(device.dialect.attention).toBe('decomposed');
  expect(device.notes[0]).toBe('WebGPU on the graphics card "google swiftshader".');
  expect(device.notes[1]).toMatch(/^Attention is decomposed: the driver's fused kernel was off by 0\.\d\.$/);
  expect(device.adapterInfo?.vendor).toBe('google');
  await device.dispose();
  const cache = await caches.open('emulsion-answers');
  const [request] = await cache.keys();
  expect(await (await cache.match(request!))?.json()).toEqual({
    attention: 'decomposed',
    note: device.notes[1],
  });
});

test('WebGPU in software is passed over, and the notes say so', async () => {
  const device = await createDevice('auto');
  expect(device.kind).toBe('wasm');
  expect(device.dialect.attention).toBe('fused');
  expect(device.notes).toEqual([
    'WebGPU is passed over: "google swiftshader" is software, and slower than WebAssembly.',
    expect.stringMatching(/^WebAssembly with \d threads?\.$/),
  ]);
  await device.dispose();
});

test('a graphics card that goes away takes its sessions with it, and says so', async () => {
  const card = await openGraphicsCard();
  const device = new WebDevice(await Onnxruntime.for('webgpu', {}), card);
  const session = await device.createSession(powers(1));
  card.destroy();
  await card.lost;
  await expect(session.run({ x: swap })).rejects.toThrow(
    /^The graphics card "google swiftshader" went away: .+ Create a new device to go on; a smaller picture takes less of its memory\.$/,
  );
  await expect(device.createSession(powers(1))).rejects.toSatisfy((error) => DeviceLostError.is(error));
  await device.dispose();
});

test('a device that browsers do not have is refused', async () => {
  await expect(createDevice('cuda')).rejects.toThrow(
    'device: "cuda" is none of a browser\'s. Take one of auto, webgpu, wasm.',
  );
});
