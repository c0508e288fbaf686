// Kernels in which a group of invocations works on a whole sample of the batch, for sums and quantiles of it.
import type { Kernel } from './kernel.ts';

/** `totalF32` and `totalU32`: the sum of one value of each member of the group, known to all of them. */
const totals = (['f32', 'u32'] as const)
  .map(
    (type) => /* wgsl */ `
var<workgroup> parts_${type}: array<${type}, groupSize>;
fn total_${type}(value: ${type}, member: u32) -> ${type} {
  parts_${type}[member] = value;
  workgroupBarrier();
  for (var half = groupSize / 2u; half > 0u; half /= 2u) {
    if (member < half) { parts_${type}[member] += parts_${type}[member + half]; }
    workgroupBarrier();
  }
  let sum = parts_${type}[0];
  workgroupBarrier();
  return sum;
}`,
  )
  .join('\n');

const main = (body: string) => /* wgsl */ `
@compute @workgroup_size(groupSize)
fn main(@builtin(local_invocation_index) member: u32, @builtin(workgroup_id) group: vec3u) {
${body}
}`;

/** The standard deviation of a sample of an array, n - 1 in the denominator. */
const deviation = (array: string) => /* wgsl */ `
fn deviation_${array}(start: u32, member: u32) -> f32 {
  var part = 0.0;
  for (var i = member; i < p.length; i += groupSize) { part += ${array}[start + i]; }
  let mean = total_f32(part, member) / f32(p.length);
  part = 0.0;
  for (var i = member; i < p.length; i += groupSize) {
    let distance = ${array}[start + i] - mean;
    part += distance * distance;
  }
  return sqrt(total_f32(part, member) / f32(p.length - 1u));
}`;

/** A group for each sample of `p.length` elements. */
export const matchStandardDeviationKernel: Kernel<'length'> = {
  name: 'matchStandardDeviation',
  parameters: { length: 'u32' },
  inputs: ['x', 'reference'],
  code: [
    totals,
    deviation('x'),
    deviation('reference'),
    main(/* wgsl */ `
  let start = group.x * p.length;
  let factor = deviation_reference(start, member) / deviation_x(start, member);
  for (var i = member; i < p.length; i += groupSize) { y[start + i] = x[start + i] * factor; }`),
  ].join('\n'),
};

/** The mean over the batch of the lengths of an array's samples. */
const meanNorm = (array: string) => /* wgsl */ `
fn mean_norm_${array}(batch: u32, length: u32, member: u32) -> f32 {
  var sum = 0.0;
  for (var sample = 0u; sample < batch; sample++) {
    var part = 0.0;
    for (var i = member; i < length; i += groupSize) {
      let value = ${array}[sample * length + i];
      part += value * value;
    }
    sum += sqrt(total_f32(part, member));
  }
  return sum / f32(batch);
}`;

/** One group for all: the factor is known to its members alone. */
export const scaleByNormsKernel: Kernel<
  'length' | 'numeratorBatch' | 'numeratorLength' | 'denominatorBatch' | 'denominatorLength'
> = {
  name: 'scaleByNorms',
  parameters: {
    length: 'u32',
    numeratorBatch: 'u32',
    numeratorLength: 'u32',
    denominatorBatch: 'u32',
    denominatorLength: 'u32',
  },
  inputs: ['x', 'numerator', 'denominator'],
  code: [
    totals,
    meanNorm('numerator'),
    meanNorm('denominator'),
    main(/* wgsl */ `
  let factor = mean_norm_numerator(p.numeratorBatch, p.numeratorLength, member) /
    mean_norm_denominator(p.denominatorBatch, p.denominatorLength, member);
  for (var i = member; i < p.length; i += groupSize) { y[i] = x[i] * factor; }`),
  ].join('\n'),
};

/**
 * A group for each sample. Numbers that are not negative are in the order of their bits: the element of rank `p.below`
 * is found by bisecting these, exactly.
 */
export const dynamicThresholdKernel: Kernel<'length' | 'below' | 'fraction' | 'maxValue'> = {
  name: 'dynamicThreshold',
  parameters: { length: 'u32', below: 'u32', fraction: 'f32', maxValue: 'f32' },
  inputs: ['x'],
  code: [
    totals,
    /* wgsl */ `
const infinity = 0x7f800000u;

fn magnitude(i: u32) -> u32 { return bitcast<u32>(x[i]) & 0x7fffffffu; }

fn count_up_to(limit: u32, start: u32, member: u32) -> u32 {
  var count = 0u;
  for (var i = member; i < p.length; i += groupSize) {
    if (magnitude(start + i) <= limit) { count++; }
  }
  return total_u32(count, member);
}

var<workgroup> least: atomic<u32>;
fn least_above(limit: u32, start: u32, member: u32) -> u32 {
  if (member == 0u) { atomicStore(&least, infinity); }
  workgroupBarrier();
  for (var i = member; i < p.length; i += groupSize) {
    let bits = magnitude(start + i);
    if (bits > limit) { atomicMin(&least, bits); }
  }
  workgroupBarrier();
  return atomicLoad(&least);
}`,
    main(/* wgsl */ `
  let start = group.x * p.length;
  var low = 0u;
  var high = infinity;
  for (var bit = 0u; bit < 31u; bit++) {
    let middle = low + (high - low) / 2u;
    let enough = count_up_to(middle, start, member) > p.below;
    high = select(high, middle, enough);
    low = select(min(middle + 1u, high), low, enough);
  }
  let next = least_above(high, start, member);
  let through = count_up_to(high, start, member);
  let again = through > p.below + 1u || p.below + 1u >= p.length;
  let value = bitcast<f32>(high);
  let quantile = value + (bitcast<f32>(select(next, high, again)) - value) * p.fraction;
  let s = min(max(quantile, 1.0), p.maxValue);
  for (var i = member; i < p.length; i += groupSize) {
    y[start + i] = min(max(x[start + i], -s), s) / s;
  }`),
  ].join('\n'),
};

/** A group for each sample, which writes how many of its elements are not finite. */
export const countNonFiniteKernel: Kernel<'length'> = {
  name: 'countNonFinite',
  parameters: { length: 'u32' },
  inputs: ['x'],
  code: [
    totals,
    main(/* wgsl */ `
  let start = group.x * p.length;
  var count = 0u;
  for (var i = member; i < p.length; i += groupSize) {
    // By its bits: compilers may take it that there is no such number.
    if ((bitcast<u32>(x[start + i]) & 0x7f800000u) == 0x7f800000u) { count++; }
  }
  let sum = total_u32(count, member);
  if (member == 0u) { y[group.x] = f32(sum); }`),
  ].join('\n'),
};
