// The networks that the scheduler cases were recorded with: the index of the area has their formulas.
import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';

/** Which fake network, and the variance that it predicts besides. */
export interface FakeModel {
  readonly kind: 'A' | 'B';
  readonly var?: { readonly offset: number; readonly amp: number };
}

/** a and b of `x · a + b`, b by the flat index. */
const formulas = {
  A: (t: number) => ({ a: 0.3 * Math.cos(t / 1000), b: (i: number) => 0.1 * Math.sin(i / 7) }),
  B: (t: number) => ({ a: 0.2 * Math.sin(t / 300 + 1), b: (i: number) => 0.25 * Math.cos(i / 5 + t / 170) }),
};

/** What the fake network answers. */
export function runFakeModel({ kind, var: variance }: FakeModel, x: Tensor, timestep: number): Tensor {
  const { a, b } = formulas[kind](timestep);
  const weight = Math.fround(a);
  const output = tensor(
    x.data.map((value, i) => Math.fround(value * weight) + Math.fround(b(i))),
    x.dims,
  );
  if (!variance) return output;
  const values = tensor(
    x.data.map((_, i) => variance.offset + variance.amp * Math.cos(i / 3)),
    x.dims,
  );
  // Beside the output along the channels, sample by sample.
  const pairs = Array.from({ length: x.dims[0]! }, (_, i) => {
    const [batch, channels, ...rest] = cpuOps.slice(output, i, i + 1).dims;
    const joined = [cpuOps.slice(output, i, i + 1), cpuOps.slice(values, i, i + 1)].flatMap(({ data }) => [
      ...data,
    ]);
    return tensor(joined, [batch!, 2 * channels!, ...rest]);
  });
  return cpuOps.concat(pairs);
}
