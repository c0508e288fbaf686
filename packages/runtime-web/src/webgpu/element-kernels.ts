// Kernels that compute each element of the result by itself.
import { groupSize, type Kernel } from './kernel.ts';

/** Groups along the one axis that a run has; each takes further elements where there are more. */
const mostGroups = 65_535;

/** How many groups run for `length` elements. */
export const groupsFor = (length: number): number =>
  Math.min(Math.max(Math.ceil(length / groupSize), 1), mostGroups);

/** A kernel whose element `i` of `p.length` is an expression. */
function elementKernel<Parameter extends string>(
  name: string,
  parameters: Readonly<Record<Parameter, 'f32' | 'u32'>>,
  inputs: readonly string[],
  expression: string,
  functions = '',
): Kernel<Parameter | 'length'> {
  return {
    name,
    // The spread has these keys and no other.
    parameters: { ...parameters, length: 'u32' } as Record<Parameter | 'length', 'f32' | 'u32'>,
    inputs,
    code: /* wgsl */ `${functions}
@compute @workgroup_size(groupSize)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < p.length; i += groups.x * groupSize) {
    y[i] = ${expression};
  }
}`,
  };
}

/** Terms that one run sums: with the result as many arrays as every card lets a program have. */
export const mostTerms = 7;

/** Weighted sums of 1 to `mostTerms` terms; the weights are `w0`, `w1`, …. */
export const sumKernels: readonly Kernel[] = Array.from({ length: mostTerms }, (_, last) => {
  const terms = Array.from({ length: last + 1 }, (_, k) => k);
  return elementKernel(
    `combine ${last + 1}`,
    Object.fromEntries(terms.map((k) => [`w${k}`, 'f32'])),
    terms.map((k) => `x${k}`),
    terms.map((k) => `p.w${k} * x${k}[i]`).join(' + '),
  );
});

export const affineKernel = elementKernel(
  'affine',
  { scale: 'f32', shift: 'f32' },
  ['x'],
  'p.scale * x[i] + p.shift',
);

export const multiplyKernel = elementKernel('multiply', {}, ['a', 'b'], 'a[i] * b[i]');

export const expKernel = elementKernel('exp', {}, ['x'], 'exp(x[i])');

export const sqrtKernel = elementKernel('sqrt', {}, ['x'], 'sqrt(x[i])');

export const clampKernel = elementKernel(
  'clamp',
  { low: 'f32', high: 'f32' },
  ['x'],
  'min(max(x[i], p.low), p.high)',
);

/** Where a line of `p.width` elements lies in a tensor that has one at `p.start` and every `p.stride` elements further. */
const place = 'p.start + (i / p.width) * p.stride + i % p.width';

const lines = { width: 'u32', stride: 'u32', start: 'u32' } as const;

/** Lines of a tensor, one behind the other. */
export const sliceKernel = elementKernel('slice', lines, ['x'], `x[${place}]`);

/** The opposite: `p.length` elements of `x`, line by line, to where these lie in the result. */
export const pasteKernel: Kernel<keyof typeof lines | 'length'> = {
  name: 'paste',
  parameters: { ...lines, length: 'u32' },
  inputs: ['x'],
  code: /* wgsl */ `
@compute @workgroup_size(groupSize)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < p.length; i += groups.x * groupSize) {
    y[${place}] = x[i];
  }
}`,
};

/** Taps of an axis in a kernel's array: four indices, then four weights, for each place of the result. */
export const tapsOfPlace = 4;

/** `rows` and `columns` are the taps of the two axes; those that a mode does not have weigh nothing. */
export const interpolateKernel = elementKernel(
  'interpolate',
  { fromHeight: 'u32', fromWidth: 'u32', height: 'u32', width: 'u32' },
  ['x', 'rows', 'columns'],
  'at(i / (p.width * p.height), (i / p.width) % p.height, i % p.width)',
  /* wgsl */ `
fn at(plane: u32, row: u32, column: u32) -> f32 {
  let n = ${tapsOfPlace}u;
  var sum = 0.0;
  for (var i = 0u; i < n; i++) {
    let line = (plane * p.fromHeight + u32(rows[2 * n * row + i])) * p.fromWidth;
    for (var j = 0u; j < n; j++) {
      let weight = rows[2 * n * row + n + i] * columns[2 * n * column + n + j];
      sum += weight * x[line + u32(columns[2 * n * column + j])];
    }
  }
  return sum;
}`,
);
