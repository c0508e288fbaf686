// Weighted sums of float32 arrays in float64: what samplers spend their time in.
import type { Term } from './tensor-ops.ts';
import { createWeightedSumKernel, type ScaledSum, type WeightedSumKernel } from './weighted-sum-kernel.ts';

/** Elements that are summed in float64 at a time; their sums stay in the fastest cache. */
const blockLength = 1024;
const block = new Float64Array(blockLength);

/** The sum as a loop, for where there is no kernel: a block of elements after another. */
export const sumInLoops: WeightedSumKernel = (out, weights, terms, scaled) => {
  for (let start = 0; start < out.length; start += blockLength) {
    const length = Math.min(blockLength, out.length - start);
    block.fill(0, 0, length);
    for (const [term, data] of terms.entries()) {
      const weight = weights[term]!;
      for (let i = 0; i < length; i++) block[i]! += weight * data[start + i]!;
    }
    for (let i = 0; i < length; i++) out[start + i] = block[i]!;
  }
  if (scaled) for (let i = 0; i < out.length; i++) scaled.out[i] = scaled.factor * out[i]!;
};

/** By number of terms. */
const kernels = new Map<number, WeightedSumKernel>();

/** Writes `Σ weight · tensor` into `out`, which may be one of the terms, and that times a factor beside it. */
export function weightedSum(out: Float32Array, terms: readonly Term[], scaled?: ScaledSum): void {
  let kernel = kernels.get(terms.length);
  if (!kernel) {
    kernel = createWeightedSumKernel(terms.length) ?? sumInLoops;
    kernels.set(terms.length, kernel);
  }
  kernel(
    out,
    terms.map(([weight]) => weight),
    terms.map(([, { data }]) => data),
    scaled,
  );
}
