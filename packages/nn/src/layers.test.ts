import { memoryFolder, openSafetensors, writeSafetensors } from '@emulsion/checkpoints';
import type { Value } from '@emulsion/onnx';
import type { Device, Dialect } from '@emulsion/runtime';
import { createRng, type Tensor, tensor, toFloat16 } from '@emulsion/tensor';
import { createTestDevice } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activate } from './activations.ts';
import { attention } from './attention.ts';
import { conv2d } from './conv2d.ts';
import { enlargingConv2d } from './enlarging-conv2d.ts';
import { linear } from './linear.ts';
import { NetworkBuilder } from './network-builder.ts';
import { groupNorm, layerNorm } from './norms.ts';
import { enlargeTo, enlargeTwice } from './resize.ts';
import { resnetBlock } from './resnet-block.ts';
import { pixelsToTokens, tokensToPixels } from './tokens.ts';
import { WeightScope } from './weight-scope.ts';

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const random = (...dims: number[]) => rng.normal(dims);

async function scopeOf(tensors: Record<string, Tensor | Tensor<'float16'>>): Promise<WeightScope> {
  const folder = memoryFolder({ 'model.safetensors': writeSafetensors(tensors) });
  return WeightScope.of('test', await openSafetensors(folder, 'model.safetensors'));
}

/** Runs what `write` makes of the inputs, all of whose sizes are free. */
async function evaluate(
  inputs: Record<string, Tensor>,
  write: (n: NetworkBuilder, values: Record<string, Value>) => Value,
  dialect: Dialect = device.dialect,
): Promise<Tensor> {
  const n = new NetworkBuilder('test', dialect);
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dims }]) => [
      name,
      n.input(
        name,
        'float32',
        dims.map((_, axis) => `${name}${axis}`),
      ),
    ]),
  );
  n.output('y', write(n, values));
  const session = await device.createSession(n.build());
  const { y } = await session.run(inputs);
  await session.dispose();
  return y!;
}

function expectClose(actual: Tensor, expected: Tensor, tolerance = 1e-5): void {
  expect(actual.dims).toEqual(expected.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - expected.data[i]!)), 0);
  expect(worst).toBeLessThan(tolerance);
}

const at = ({ dims, data }: Tensor, ...index: number[]) =>
  data[index.reduce((flat, i, axis) => flat * dims[axis]! + i, 0)]!;

function build(dims: number[], element: (...index: number[]) => number): Tensor {
  const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((a, b) => a * b, 1));
  const size = dims.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, flat) =>
      element(...dims.map((dim, axis) => Math.floor(flat / strides[axis]!) % dim)),
    ),
    dims,
  );
}

const sum = (length: number, term: (i: number) => number) =>
  Array.from({ length }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

test('a linear layer multiplies by the transposed weight, for rows and for sequences', async () => {
  const [x, weight, bias] = [random(2, 3, 5), random(4, 5), random(4)];
  const w = await scopeOf({ 'to_q.weight': weight, 'to_q.bias': bias });
  const y = await evaluate({ x }, (n, v) => linear(n, v.x!, w.at('to_q'), { inFeatures: 5, outFeatures: 4 }));
  const expected = build(
    [2, 3, 4],
    (b, s, o) => bias.data[o]! + sum(5, (i) => at(x, b, s, i) * at(weight, o, i)),
  );
  expectClose(y, expected);
  const half = await evaluate({ x }, (n, v) =>
    linear(n, v.x!, w.at('to_q'), { inFeatures: 5, outFeatures: 4, rows: [2, 4] }),
  );
  expectClose(
    half,
    build([2, 3, 2], (b, s, o) => at(expected, b, s, o + 2)),
  );
});

test('a convolution pads each side as it is told', async () => {
  const [x, weight, bias] = [random(1, 2, 4, 6), random(3, 2, 3, 3), random(3)];
  const w = await scopeOf({ weight, bias });
  const expected =
    (top: number, left: number, stride: number) => (b: number, o: number, y: number, col: number) =>
      bias.data[o]! +
      sum(2, (c) =>
        sum(9, (k) => {
          const [row, column] = [y * stride + Math.floor(k / 3) - top, col * stride + (k % 3) - left];
          const inside = row >= 0 && row < 4 && column >= 0 && column < 6;
          return inside ? at(x, b, c, row, column) * at(weight, o, c, Math.floor(k / 3), k % 3) : 0;
        }),
      );
  const shape = { inChannels: 2, outChannels: 3, kernel: 3 };
  const same = await evaluate({ x }, (n, v) => conv2d(n, v.x!, w, shape));
  expectClose(same, build([1, 3, 4, 6], expected(1, 1, 1)));
  const halved = await evaluate({ x }, (n, v) =>
    conv2d(n, v.x!, w, { ...shape, stride: 2, padding: [0, 0, 1, 1] }),
  );
  expectClose(halved, build([1, 3, 2, 3], expected(0, 0, 2)));
});

test('a convolution of channels that are filled up gives what it gives without', async () => {
  const [x, weight, bias] = [random(2, 9, 4, 4), random(4, 9, 3, 3), random(4)];
  const w = await scopeOf({ weight, bias });
  const shape = { inChannels: 9, outChannels: 4, kernel: 3, padding: 0 };
  const expected = build(
    [2, 4, 2, 2],
    (b, o, row, column) =>
      bias.data[o]! +
      sum(9, (c) =>
        sum(9, (k) => {
          const [y, z] = [Math.floor(k / 3), k % 3];
          return at(x, b, c, row + y, column + z) * at(weight, o, c, y, z);
        }),
      ),
  );
  for (const fillsConvs of new Set([device.dialect.fillsConvs, true])) {
    const write = (n: NetworkBuilder, v: Record<string, Value>) => conv2d(n, v.x!, w, shape);
    expectClose(await evaluate({ x }, write, { ...device.dialect, fillsConvs }), expected, 1e-4);
  }
});

test('group normalization has mean 0 and variance 1 in each group, then scale and shift of each channel', async () => {
  const [x, weight, bias] = [random(2, 6, 3, 5), random(6), random(6)];
  const w = await scopeOf({ weight, bias });
  const expected = build([2, 6, 3, 5], (b, c, row, column) => {
    const start = c - (c % 2);
    const element = (i: number) => at(x, b, start + Math.floor(i / 15), Math.floor((i % 15) / 5), i % 5);
    const mean = sum(30, element) / 30;
    const variance = sum(30, (i) => (element(i) - mean) ** 2) / 30;
    return ((at(x, b, c, row, column) - mean) / Math.sqrt(variance + 1e-5)) * weight.data[c]! + bias.data[c]!;
  });
  const shape = { channels: 6, groups: 3, epsilon: 1e-5 };
  const write = (n: NetworkBuilder, v: Record<string, Value>) => groupNorm(n, v.x!, w, shape);
  // Every device takes the second form.
  for (const form of new Set([device.dialect.groupNorm, 'instance'] as const)) {
    expectClose(await evaluate({ x }, write, { ...device.dialect, groupNorm: form }), expected);
  }
});

test('layer normalization works on the last axis', async () => {
  const [x, weight, bias] = [random(2, 3, 8), random(8), random(8)];
  const w = await scopeOf({ weight, bias });
  const y = await evaluate({ x }, (n, v) => layerNorm(n, v.x!, w, 8));
  const expected = build([2, 3, 8], (b, s, c) => {
    const mean = sum(8, (i) => at(x, b, s, i)) / 8;
    const variance = sum(8, (i) => (at(x, b, s, i) - mean) ** 2) / 8;
    return ((at(x, b, s, c) - mean) / Math.sqrt(variance + 1e-5)) * weight.data[c]! + bias.data[c]!;
  });
  expectClose(y, expected);
});

test('attention is what the paper says, in each form that the device computes rightly', async () => {
  const inputs = { q: random(2, 20, 12), k: random(2, 33, 12), v: random(2, 33, 12) };
  const write = (n: NetworkBuilder, { q, k, v }: Record<string, Value>) =>
    attention(n, { query: q!, key: k!, value: v!, channels: 12, heads: 3 });
  const expected = build([2, 20, 12], (b, s, c) => {
    const head = c - (c % 4);
    const scores = Array.from({ length: 33 }, (_, t) =>
      Math.exp(sum(4, (i) => at(inputs.q, b, s, head + i) * at(inputs.k, b, t, head + i)) / 2),
    );
    return sum(33, (t) => scores[t]! * at(inputs.v, b, t, c)) / sum(33, (t) => scores[t]!);
  });
  for (const form of new Set([device.dialect.attention, 'decomposed'] as const)) {
    expectClose(await evaluate(inputs, write, { ...device.dialect, attention: form }), expected);
  }
});

test('a mask hides keys from queries', async () => {
  const inputs = { q: random(1, 2, 4), k: random(1, 2, 4), v: random(1, 2, 4) };
  const y = await evaluate(inputs, (n, { q, k, v }) => {
    const mask = n.constant(tensor([0, -3e38, 0, 0], [2, 2]));
    return attention(n, { query: q!, key: k!, value: v!, channels: 4, heads: 1, mask });
  });
  expectClose(
    build([4], (i) => at(y, 0, 0, i)),
    build([4], (i) => at(inputs.v, 0, 0, i)),
  );
});

test('pixels become tokens and tokens the same pixels', async () => {
  const x = random(2, 3, 4, 5);
  const tokens = await evaluate({ x }, (n, v) => pixelsToTokens(n, v.x!, 3));
  expectClose(
    tokens,
    build([2, 20, 3], (b, p, c) => at(x, b, c, Math.floor(p / 5), p % 5)),
  );
  expectClose(await evaluate({ x }, (n, v) => tokensToPixels(n, pixelsToTokens(n, v.x!, 3), v.x!)), x);
});

test('a picture is enlarged to an odd size by the nearest pixel', async () => {
  const [x, like] = [random(1, 1, 2, 3), random(1, 7, 3, 5)];
  const y = await evaluate({ x, like }, (n, v) => enlargeTo(n, v.x!, v.like!));
  expectClose(
    y,
    build([1, 1, 3, 5], (_b, _c, row, column) =>
      at(x, 0, 0, Math.floor((row * 2) / 3), Math.floor((column * 3) / 5)),
    ),
  );
});

test('activations are their definitions', async () => {
  const x = build([9], (i) => (i - 4) / 2);
  const apply = (name: string) => evaluate({ x }, (n, v) => activate(n, v.x!, name));
  const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
  expectClose(
    await apply('silu'),
    build([9], (i) => x.data[i]! * sigmoid(x.data[i]!)),
  );
  expectClose(
    await apply('quick_gelu'),
    build([9], (i) => x.data[i]! * sigmoid(1.702 * x.data[i]!)),
  );
  const gelu = await apply('gelu');
  expect(gelu.data[6]).toBeCloseTo(0.8413447, 5);
  expect((await apply('gelu_new')).data[6]).toBeCloseTo(0.841192, 5);
  expect(() => activate(new NetworkBuilder('test', device.dialect), { name: 'x' }, 'swosh')).toThrow(
    'activation: "swosh" is not one of silu, swish, quick_gelu, gelu, gelu_new, relu. This model is not supported.',
  );
});

test('half-precision weights give what their float32 values give', async () => {
  const [x, weight, bias] = [random(2, 3, 8), random(4, 8), random(4)];
  const half = (t: Tensor) => tensor(toFloat16(t.data), t.dims);
  const w = await scopeOf({ weight: half(weight), bias: half(bias) });
  const y = await evaluate({ x }, (n, v) => linear(n, v.x!, w, { inFeatures: 8, outFeatures: 4 }));
  const expected = build(
    [2, 3, 4],
    (b, s, o) => bias.data[o]! + sum(8, (i) => at(x, b, s, i) * at(weight, o, i)),
  );
  expectClose(y, expected, 0.01);
});

test('a large half-precision checkpoint is cast in the run where the device can, with the same result', async () => {
  const [x, weight] = [random(2, 3, 8), random(4, 8)];
  const halves = { weight: tensor(toFloat16(weight.data), weight.dims) };
  const folder = memoryFolder({ 'model.safetensors': writeSafetensors(halves) });
  const weights = await openSafetensors(folder, 'model.safetensors');
  const stored = weights.get('weight')!;
  const large = { ...stored, name: 'large', range: { ...stored.range, length: 2 ** 30 } };
  const shape = { inFeatures: 8, outFeatures: 4, bias: false };
  const write = (w: WeightScope) => (n: NetworkBuilder, v: Record<string, Value>) =>
    linear(n, v.x!, w, shape);
  const casts = (w: WeightScope, lateCasts: Dialect['lateCasts']) => {
    const n = new NetworkBuilder('test', { ...device.dialect, lateCasts });
    write(w)(n, { x: n.input('x', 'float32', ['batch', 'sequence', 8]) });
    return n.build().graph.nodes.map(({ opType }) => opType);
  };
  const early = WeightScope.of('test', weights);
  const late = WeightScope.of('test', new Map([...weights, ['large', large]]));
  const atLoad = ['Cast', 'Reshape', 'Gemm', 'Shape', 'Concat', 'Reshape'];
  expect(casts(early, ['float16'])).toEqual(atLoad);
  expect(casts(late, ['bfloat16'])).toEqual(atLoad);
  expect(casts(late, ['float16']).slice(0, 5)).toEqual(['Shape', 'Mul', 'Add', 'Reshape', 'Cast']);
  expectClose(await evaluate({ x }, write(late)), await evaluate({ x }, write(early)), 1e-6);
});

test('bfloat16 weights give what their float32 values give', async () => {
  const [x, weight] = [random(2, 3, 8), random(4, 8)];
  // The upper half of a float32 is its bfloat16, rounded towards zero.
  const upper = Uint16Array.from(new Uint32Array(weight.data.buffer), (bits) => bits >>> 16);
  const header = JSON.stringify({ weight: { dtype: 'BF16', shape: [4, 8], data_offsets: [0, 64] } });
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, header.length, true);
  const bytes = [...length, ...new TextEncoder().encode(header), ...new Uint8Array(upper.buffer)];
  const folder = memoryFolder({ 'model.safetensors': Uint8Array.from(bytes) });
  const w = WeightScope.of('test', await openSafetensors(folder, 'model.safetensors'));
  const shape = { inFeatures: 8, outFeatures: 4, bias: false };
  const y = await evaluate({ x }, (n, v) => linear(n, v.x!, w, shape));
  const expected = build([2, 3, 4], (b, s, o) => sum(8, (i) => at(x, b, s, i) * at(weight, o, i)));
  expectClose(y, expected, 0.1);
});

test('a convolution of an enlarged picture is the same when it is put together from the small one', async () => {
  const w = await scopeOf({ weight: random(5, 6, 3, 3), bias: random(5) });
  const x = random(2, 6, 3, 4);
  const plain = await evaluate({ x }, (n, v) =>
    conv2d(n, enlargeTwice(n, v.x!), w, { inChannels: 6, outChannels: 5, kernel: 3 }),
  );
  expect(plain.dims).toEqual([2, 5, 6, 8]);
  expectClose(
    await evaluate({ x }, (n, v) => enlargingConv2d(n, v.x!, w, { inChannels: 6, outChannels: 5 })),
    plain,
  );
});

test('a convolution of a small picture is the same', async () => {
  const w = await scopeOf({ weight: random(8, 8, 3, 3), bias: random(8) });
  const shape = { inChannels: 8, outChannels: 8, kernel: 3 };
  const x = random(2, 8, 3, 4);
  expectClose(
    await evaluate({ x }, (n, v) => conv2d(n, v.x!, w, { ...shape, small: true })),
    await evaluate({ x }, (n, v) => conv2d(n, v.x!, w, shape)),
  );
});

test('a time embedding that scales and shifts a residual block does it to the second norm', async () => {
  const [scale, shift] = [0.5, -0.25];
  const weights = {
    'norm1.weight': random(4),
    'norm1.bias': random(4),
    'conv1.weight': random(4, 4, 3, 3),
    'conv1.bias': random(4),
    'norm2.weight': random(4),
    'norm2.bias': random(4),
    'conv2.weight': random(4, 4, 3, 3),
    'conv2.bias': random(4),
    // Nothing of the time itself, so that the biases are scale and shift.
    'time_emb_proj.weight': tensor(new Float32Array(8 * 3), [8, 3]),
    'time_emb_proj.bias': tensor([scale, scale, scale, scale, shift, shift, shift, shift], [8]),
  };
  const shape = { inChannels: 4, outChannels: 4, groups: 2, epsilon: 1e-5, activation: 'silu' };
  const [x, time] = [random(1, 4, 5, 6), random(1, 3)];
  const timed = await scopeOf(weights);
  const actual = await evaluate({ x, time }, (n, v) =>
    resnetBlock(n, v.x!, timed, { ...shape, timeChannels: 3, timeScaleShift: true }, v.time),
  );
  const scaled = await scopeOf({
    ...weights,
    'norm2.weight': tensor(
      weights['norm2.weight'].data.map((value) => value * (1 + scale)),
      [4],
    ),
    'norm2.bias': tensor(
      weights['norm2.bias'].data.map((value) => value * (1 + scale) + shift),
      [4],
    ),
  });
  expectClose(actual, await evaluate({ x }, (n, v) => resnetBlock(n, v.x!, scaled, shape)), 1e-4);
});
