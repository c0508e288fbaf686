/// <reference types="node" />
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphBuilder } from '@emulsion/onnx';
import { type Device, testAttention } from '@emulsion/runtime';
import { HalfTensor, tensor, toFloat16 } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDevice } from './create-device.ts';

let device: Device;
beforeAll(async () => {
  device = await createDevice('cpu');
});
afterAll(() => device.dispose());

/** Multiplies `x` by itself `times` times: a graph whose run takes as long as is wanted. */
function powers(times: number) {
  const g = new GraphBuilder('powers');
  const x = g.input('x', 'float32', ['n', 'n']);
  let y = x;
  for (let i = 0; i < times; i++) y = g.op('MatMul', [y, x]);
  g.output('y', y);
  return g.build();
}

const identity = (n: number) =>
  tensor(
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
    [n, n],
  );

test('a graph runs and gives its outputs by name', async () => {
  const session = await device.createSession(powers(3));
  const { y } = await session.run({ x: tensor([0, 2, 2, 0], [2, 2]) });
  expect(y?.dims).toEqual([2, 2]);
  expect([...(y?.data ?? [])]).toEqual([16, 0, 0, 16]);
  await session.dispose();
  await expect(session.run({ x: identity(2) })).rejects.toThrow(
    'powers was disposed. Load it again to run it.',
  );
});

test('weights in files and in memory are taken side by side', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'emulsion-weights-'));
  const path = join(folder, 'weights');
  await writeFile(path, new Uint8Array(Float32Array.of(0, 1, 2).buffer));
  const bytes = new Uint8Array(Float32Array.of(9, 9, 10, 20).buffer);
  const blob = new Blob([bytes]);
  const g = new GraphBuilder('sum');
  const x = g.input('x', 'float32', [2]);
  const stored = g.initializer('file', 'float32', [2], {
    file: { kind: 'path', path },
    offset: 4,
    length: 8,
  });
  const held = g.initializer('memory', 'float32', [2], {
    file: { kind: 'bytes', name: 'm', bytes },
    offset: 8,
    length: 8,
  });
  const dropped = g.initializer('blob', 'float32', [2], {
    file: { kind: 'blob', name: 'b', blob },
    offset: 8,
    length: 8,
  });
  g.output('y', g.op('Sum', [x, stored, held, dropped]));
  const session = await device.createSession(g.build());
  expect([...(await session.run({ x: tensor([100, 100], [2]) })).y!.data]).toEqual([121, 142]);
  await session.dispose();
  await rm(folder, { recursive: true });
});

test('a held tensor is sent once and fed to many runs, also after the process died, until it is released', async () => {
  const other = (await createDevice('cpu')) as Device & { pid: number }; // what tools that measure memory use
  const session = await other.createSession(powers(1));
  const held = await other.hold(tensor([0, 2, 2, 0], [2, 2]));
  expect([held.dtype, held.dims]).toEqual(['float32', [2, 2]]);
  const product = async () => [...((await session.run({ x: held })).y?.data ?? [])];
  expect([await product(), await product()]).toEqual([
    [4, 0, 0, 4],
    [4, 0, 0, 4],
  ]);
  const run = session.run({ x: identity(1024) });
  process.kill(other.pid, 'SIGKILL');
  await expect(run).rejects.toThrow('The inference process ended with SIGKILL.');
  expect(await product()).toEqual([4, 0, 0, 4]);
  await held.release();
  await expect(product()).rejects.toThrow('A held tensor was released. Hold it again to feed it.');
  await other.dispose();
});

test('what is held in halves is fed as what it stands for, and stays in halves', async () => {
  const session = await device.createSession(powers(1));
  const half = new HalfTensor(toFloat16(Float32Array.of(0, 2, -0.5, 0)), [2, 2], 'float16');
  const brain = new HalfTensor(Uint16Array.of(0, 0x4000, 0x3f80, 0), [2, 2], 'bfloat16'); // 2 and 1
  for (const [x, expected] of [
    [half, -1],
    [brain, 2],
  ] as const) {
    const held = await device.hold(x);
    for (const feed of [held, x]) {
      const { y } = await session.run({ x: feed });
      expect([...y!.data].map((value) => value + 0)).toEqual([expected, 0, 0, expected]);
    }
    expect(x.halves).toBeDefined();
    await held.release();
  }
  await session.dispose();
});

test('the event loop stays free while a graph runs', async () => {
  const session = await device.createSession(powers(20));
  let longest = 0;
  let last = performance.now();
  const clock = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  const start = performance.now();
  await session.run({ x: identity(1024) });
  const total = performance.now() - start;
  clearInterval(clock);
  await session.dispose();
  expect(longest).toBeLessThan(total / 2);
});

test('an aborted run rejects at once with the reason, and the session runs again', async () => {
  const session = await device.createSession(powers(40));
  const controller = new AbortController();
  const run = session.run({ x: identity(1024) }, { signal: controller.signal });
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 20);
  await expect(run).rejects.toBe(reason);
  const { y } = await session.run({ x: identity(2) });
  expect([...(y?.data ?? [])]).toEqual([1, 0, 0, 1]);
  await session.dispose();
});

test('a missing input and a wrong shape are errors that name the graph', async () => {
  const session = await device.createSession(powers(1));
  await expect(session.run({})).rejects.toThrow(/^powers failed on cpu: .*x/);
  await expect(session.run({ x: tensor([1, 2], [1, 2]) })).rejects.toThrow('powers failed on cpu: ');
  await session.dispose();
});

test('a graph that onnxruntime does not take is an error that names it', async () => {
  const g = new GraphBuilder('strange');
  g.output('y', g.op('NoSuchOperator', [g.input('x', 'float32', [1])]));
  await expect(device.createSession(g.build())).rejects.toThrow(
    /^strange could not be loaded on cpu: .*NoSuchOperator/,
  );
});

test('when the inference process dies, the run fails with the reason and the next one starts a new process', async () => {
  const other = (await createDevice('cpu')) as Device & { pid: number }; // what tools that measure memory use
  const session = await other.createSession(powers(40));
  const run = session.run({ x: identity(1024) });
  setTimeout(() => process.kill(other.pid, 'SIGKILL'), 20);
  await expect(run).rejects.toThrow(
    'The inference process ended with SIGKILL. It may have run out of memory: try a smaller picture.',
  );
  const { y } = await session.run({ x: identity(2) });
  expect([...(y?.data ?? [])]).toEqual([1, 0, 0, 1]);
  await other.dispose();
  await expect(session.run({ x: identity(2) })).rejects.toThrow(
    'The device was disposed. Create a new one to go on.',
  );
});

test('a device that is not there says what it needs', async () => {
  await expect(createDevice('cuda')).rejects.toThrow(
    /^The device "cuda" is not available\. It needs Linux on x86-64, an NVIDIA driver/,
  );
  // A word from a program without types.
  await expect(createDevice('gpu' as 'cpu')).rejects.toThrow(
    'device: "gpu" is none of Node\'s. Take one of auto, cpu, cuda, webgpu.',
  );
});

test('the processor computes fused attention as it does decomposed', async () => {
  expect(device.dialect.attention).toBe('fused');
  expect(await testAttention(device)).toMatchObject({ attention: 'fused' });
});

test('what was passed over, and why, can be read', async () => {
  const chosen = await createDevice('auto');
  if (chosen.kind !== 'cuda') expect(chosen.notes[0]).toMatch(/^The device "cuda" is not available\./);
  if (chosen.kind === 'cpu')
    expect(chosen.notes[1]).toMatch(/^The device "webgpu" is (not available|slower)/);
  await chosen.dispose();
});
