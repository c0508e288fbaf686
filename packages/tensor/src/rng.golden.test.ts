/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromFloat16 } from './float16.ts';
import type { DrawDType } from './random-source.ts';
import { createRng, type Rng } from './rng.ts';
import type { Tensor } from './tensor.ts';

interface Draw {
  op: string;
  array: string;
  dtype?: DrawDType;
  shape?: number[];
  n?: number;
  low?: string;
  high?: string;
}

interface Case extends Draw {
  id: string;
  seed: string;
  ops?: Draw[];
}

const folder = new URL('../../../fixtures/golden/open/rng/', import.meta.url);
// The index's own format: a `format` of golden-rng-1.
const index = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')) as {
  cases: Case[];
  tolerance: Record<string, number>;
};
const bytes = readFileSync(new URL('rng.safetensors', folder));
const headerLength = Number(bytes.readBigUInt64LE(0));
const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
  string,
  { dtype: string; data_offsets: [number, number] }
>;

function recorded(name: string): number[] | bigint[] {
  const { dtype, data_offsets } = header[name]!;
  const [start, end] = data_offsets.map((offset) => offset + 8 + headerLength);
  const { buffer } = Uint8Array.from(bytes.subarray(start, end));
  switch (dtype) {
    case 'F64':
      return [...new Float64Array(buffer)];
    case 'F32':
      return [...new Float32Array(buffer)];
    case 'F16':
      return [...fromFloat16(new Uint16Array(buffer))];
    case 'I64':
      return [...new BigInt64Array(buffer)];
    default:
      throw new Error(`no such dtype here: ${dtype}`);
  }
}

function perform(
  rng: Rng,
  { op, dtype, shape, n, low, high }: Draw,
): Tensor<'float32' | 'float64' | 'int64'> {
  const dims = shape ?? [n!];
  switch (op) {
    case 'randn':
      return rng.normal(dims, dtype);
    case 'rand':
      return rng.uniform(dims, dtype);
    case 'randint':
      return rng.integers(BigInt(low!), BigInt(high!), dims);
    case 'randperm':
      return rng.permutation(dims[0]!);
    default:
      throw new Error(`no such draw here: ${op}`);
  }
}

function toleranceOf({ op, dtype, shape, n }: Draw): number {
  if (op !== 'randn') return index.tolerance[op]!;
  if (dtype === 'float64') return index.tolerance.randn_float64!;
  // A float16 that a float32 error of the tolerance pushes over a tie moves by its last place.
  if (dtype === 'float16') return 2 ** -9;
  const size = (shape ?? [n!]).reduce((product, dim) => product * dim, 1);
  return index.tolerance[size < 16 ? 'randn_float32_lt16' : 'randn_float32_ge16']!;
}

function expectClose(
  actual: Tensor<'float32' | 'float64' | 'int64'>,
  expected: number[] | bigint[],
  tolerance: number,
) {
  expect(actual.data.length).toBe(expected.length);
  let error = 0;
  for (const [i, value] of actual.data.entries())
    error = Math.max(error, Math.abs(Number(value) - Number(expected[i])));
  expect(error).toBeLessThanOrEqual(tolerance);
}

for (const { id, seed, ops, ...single } of index.cases.filter(({ op }) => !op.startsWith('philox'))) {
  test(`torch's CPU generator gives ${id}`, () => {
    const rng = createRng({ kind: 'torch-cpu', seed: BigInt(seed) });
    for (const draw of ops ?? [single])
      expectClose(perform(rng, draw), recorded(draw.array), toleranceOf(draw));
  });
}
