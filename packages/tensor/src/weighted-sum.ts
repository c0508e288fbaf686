// Weighted sums of float32 arrays: what samplers spend their time in.
import type { Term } from './tensor-ops.ts';
import { createWeightedSumKernel, type ScaledSum, type WeightedSumKernel } from './weighted-sum-kernel.ts';

/** Elements that are summed at a time; their sums stay in the fastest cache. */
const blockLength = 1024;
const block = new Float32Array(blockLength);

/** The sum as a loop, for where there is no kernel: a block of elements after another. */
export const sumInLoops: WeightedSumKernel = (out, weights, terms, scaled) => {
  for (let start = 0; start < out.length; start += blockLength) {
    const length = Math.min(blockLength, out.length - start);
    for (const [term, data] of terms.entries()) {
      const weight = Math.fround(weights[term]!);
      if (term === 0) for (let i = 0; i < length; i++) block[i] = weight * data[start + i]!;
      else for (let i = 0; i < length; i++) block[i]! += Math.fround(weight * data[start + i]!);
    }
    for (let i = 0; i < length; i++) out[start + i] = block[i]!;
  }
  if (!scaled) return;
  const factor = Math.fround(scaled.factor);
  for (let i = 0; i < out.length; i++) scaled.out[i] = factor * out[i]!;
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
