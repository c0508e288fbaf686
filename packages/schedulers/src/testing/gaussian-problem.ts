// For tests: data that are normally distributed, of which the perfect denoiser and the exact solution are known.
import { cpuOps, type Tensor, type TensorOps, type Term } from '@emulsion/tensor';
import { type NoiseLevel, type NoiseProcess, varianceExploding } from '../noise-level.ts';
import type { Noise, Sampler } from '../sampler.ts';

/** Standard deviation of the data. */
export const dataDeviation = 0.5;

/** A tensor whose elements are float64, so that errors are those of the method alone. */
export function precise(...values: number[]): Tensor {
  // Tensors hold float32; only `preciseOps` is to see these.
  return {
    dtype: 'float32',
    dims: [1, values.length],
    data: Float64Array.from(values) as unknown as Float32Array,
  };
}

function combine(...terms: readonly [Term, ...Term[]]): Tensor {
  const [[, first]] = terms;
  return precise(...Array.from(first.data, (_, i) => terms.reduce((sum, [w, x]) => sum + w * x.data[i]!, 0)));
}

/** The operations of the samplers under test, in float64. */
export const preciseOps: TensorOps = { ...cpuOps, combine };

/** x̂₀ of a sample: for x = α x₀ + σ n it is α s² x / (α² s² + σ²). */
export function perfectDenoiser(sample: Tensor, { alpha, sigma }: NoiseLevel): Tensor {
  const power = dataDeviation ** 2;
  return combine([(alpha * power) / (alpha ** 2 * power + sigma ** 2), sample]);
}

/** Where the probability flow leads from `start` at one level to another: it keeps the number of deviations. */
export function exactSolution(start: number, from: NoiseLevel, to: NoiseLevel): number {
  const deviation = ({ alpha, sigma }: NoiseLevel) => Math.hypot(alpha * dataDeviation, sigma);
  return (start * deviation(to)) / deviation(from);
}

/** Runs a sampler to its end. */
export function run<Answer>(
  sampler: Sampler<Answer>,
  answer: (sample: Tensor, sigma: number) => Answer,
): Tensor {
  let turn = sampler.next();
  while (!turn.done) turn = sampler.next(answer(turn.value.sample, turn.value.sigma));
  return turn.value;
}

/** Runs a sampler whose answers are `denoised`, with the perfect denoiser. */
export function runDenoised(sampler: Sampler, process: NoiseProcess = varianceExploding): number {
  return run(sampler, (sample, sigma) => perfectDenoiser(sample, process(sigma))).data[0]!;
}

/** Runs a sampler whose answers are the noise, with the perfect denoiser. */
export function runNoise(sampler: Sampler, process: NoiseProcess = varianceExploding): number {
  return run(sampler, (sample, sigma) => {
    const level = process(sigma);
    return combine([1 / level.sigma, sample], [-level.alpha / level.sigma, perfectDenoiser(sample, level)]);
  }).data[0]!;
}

/** Noise that must not be asked for. */
export const noNoise: Noise = () => {
  throw new Error('the sampler draws noise');
};

/** No noise where it is asked for. */
export const silence: Noise = (dims) => precise(...new Array<number>(dims[1] ?? 1).fill(0));

/** Levels from one to another, even in log sigma, after shorter steps in which multistep methods gather answers. */
export function evenLevels(steps: number, { from = 10, to = 0.1, gather = 0 } = {}): number[] {
  const h = Math.log(from / to) / steps;
  // The first step's error, of order 2, is to be no larger than one of order `gather` + 1.
  const first = Array.from({ length: gather }, (_, k) => h ** ((gather + 1) / (k + 2)));
  const lambdas = [0];
  for (const width of first) lambdas.push(lambdas.at(-1)! + width);
  const rest = Math.log(from / to) - lambdas.at(-1)!;
  const start = lambdas.at(-1)!;
  for (let i = 1; i <= steps; i++) lambdas.push(start + (rest * i) / steps);
  return lambdas.map((lambda) => from * Math.exp(-lambda));
}

/** The order at which an error falls when the steps are halved. */
export function measuredOrder(errorOf: (steps: number) => number, steps = 64): number {
  return Math.log2(Math.abs(errorOf(steps) / errorOf(2 * steps)));
}
