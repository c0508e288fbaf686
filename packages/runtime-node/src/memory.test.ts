/// <reference types="node" />
import { randomFillSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphBuilder, weightMemory } from '@emulsion/onnx';
import { type Device, runMemory } from '@emulsion/runtime';
import { zeros } from '@emulsion/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDevice } from './create-device.ts';

const [width, blocks, channels, side] = [2048, 6, 32, 512];
const bytes = 4 * width ** 2 * blocks + 4 * 9 * channels ** 2 + 4 * channels;

let folder: string;
let path: string;
let device: Device & { readonly pid?: number };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
  path = join(folder, 'weights');
  // Random bytes make tiny numbers and huge ones; what counts is that no page is a copy of another.
  await writeFile(path, randomFillSync(new Uint8Array(bytes)).fill(0x38, 4 * width ** 2 * blocks));
  device = await createDevice('cpu');
});
afterAll(async () => {
  await device.dispose();
  await rm(folder, { recursive: true });
});

/** 100 MB of weights, and a convolution whose pictures take 34 MB each. */
function model() {
  const g = new GraphBuilder('large');
  const file = { kind: 'path', path } as const;
  let tokens = g.input('tokens', 'float32', ['n', width]);
  const matrix = 4 * width ** 2;
  for (let i = 0; i < blocks; i++) {
    const range = { file, offset: i * matrix, length: matrix };
    const weight = g.initializer(`matrix ${i}`, 'float32', [width, width], range);
    tokens = g.op('Gemm', [tokens, weight], { transB: 1 });
  }
  g.output('tokens_out', tokens);
  const kernel = { file, offset: blocks * matrix, length: 4 * 9 * channels ** 2 };
  const weight = g.initializer('kernel', 'float32', [channels, channels, 3, 3], kernel);
  const widen = { file, offset: kernel.offset + kernel.length, length: 4 * channels };
  const square = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0] };
  const grey = g.input('picture', 'float32', [1, 1, 'height', 'width']);
  let picture = g.op('Conv', [grey, g.initializer('widen', 'float32', [channels, 1, 1, 1], widen)], square);
  const attributes = { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] };
  for (let i = 0; i < 3; i++) picture = g.op('Tanh', [g.op('Conv', [picture, weight], attributes)]);
  g.output('mean', g.op('ReduceMean', [picture]));
  return g.build();
}

async function resident(): Promise<number> {
  const status = await readFile(`/proc/${device.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

test.runIf(process.platform === 'linux')(
  'a session takes what its graph says, again and again, and gives it back when it is released',
  async () => {
    const large = model();
    const { stored, loaded } = weightMemory(large);
    expect(stored).toBe(bytes);
    const feeds = { tokens: zeros([4, width]), picture: zeros([1, 1, side, side]) };
    const shapes = { tokens: feeds.tokens.dims, picture: feeds.picture.dims };
    const estimate = runMemory(large, shapes)!;
    const start = await resident();
    for (let round = 0; round < 3; round++) {
      const session = await device.createSession(large);
      for (let i = 0; i < 3; i++) await session.run(feeds);
      const taken = (await resident()) - start;
      expect(taken).toBeGreaterThan(0.7 * (loaded + estimate));
      expect(taken).toBeLessThan(1.3 * (loaded + estimate));
      await session.dispose();
      // What came over the channel lies about until it is collected.
      expect((await resident()) - start).toBeLessThan(0.3 * (loaded + estimate));
    }
  },
);
