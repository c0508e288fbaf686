// Where adapters enter a graph: inputs that change a module's weights while the graph stays loaded (Hu et al. 2022).
import { dataTypeNumbers, type Value } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import { type ConvolutionShape, convolve } from './conv2d.ts';
import type { NetworkBuilder } from './network-builder.ts';

/** How a module can be changed: by a product of two thin weights, by one as large as its own, and in its bias. */
export const slotKinds = ['lowRank', 'delta', 'bias'] as const;
export type SlotKind = (typeof slotKinds)[number];

/** The kinds of slots that a module gets, by its path in the checkpoint, when its graph is written. */
export type AdapterSlots = (module: string) => ReadonlySet<SlotKind>;

/**
 * The inputs of a slot, by the kind and what they hold. `…Scale` are strengths, one for each row of the other:
 * `lora_down` `[rank, in, …]`, `lora_up` `[out, rank, …]`, `lora_scale` `[rank]`; `delta` `[adapters, elements of the
 * weight]`, `delta_scale` `[1, adapters]`; `bias_delta` `[adapters, out]`, `bias_scale` `[1, adapters]`.
 */
export const slotInputs = {
  lowRank: { down: 'lora_down', up: 'lora_up', scale: 'lora_scale' },
  delta: { delta: 'delta', scale: 'delta_scale' },
  bias: { delta: 'bias_delta', scale: 'bias_scale' },
} as const satisfies Record<SlotKind, Readonly<Record<string, string>>>;

/** A change of a weight or a bias, `[1, size]`: the rows of all adapters, each times its strength, added up. */
function summedDeltas(n: NetworkBuilder, module: string, kind: 'delta' | 'bias', size: number): Value {
  const names = slotInputs[kind];
  const delta = n.slotInput(module, names.delta, ['adapters', size]);
  return n.op('MatMul', [n.slotInput(module, names.scale, [1, 'adapters']), delta]);
}

/** What a slot adds, if any strength is not 0; else nothing, for which it is not even computed where that is quick. */
function whereActive(n: NetworkBuilder, scale: Value, given: Value, add: (given: Value) => Value): Value {
  if (!n.dialect.branches) return add(given);
  const total = n.op('ReduceL1', [scale], { keepdims: 0 });
  const isActive = n.op('Cast', [total], { to: dataTypeNumbers.bool });
  return n.either(
    isActive,
    () => add(given),
    () => given,
  );
}

export interface LinearChange {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The outputs of the layer that are computed. */
  readonly rows: readonly [start: number, end: number];
}

/**
 * What is added to a linear layer's product: its bias, and what adapters make of the input. Nothing is added twice to
 * all elements, since Gemm takes it as its last operand.
 * @param x `[rows, inFeatures]`
 * @param bias `[outFeatures that are computed]`, if the layer has one
 * @returns `[outFeatures]`, `[1, 1]`, `[1, outFeatures]` or `[rows, outFeatures]`
 */
export function linearOffset(
  n: NetworkBuilder,
  x: Value,
  module: string,
  { inFeatures, outFeatures, rows: [start, end] }: LinearChange,
  bias: Value | undefined,
): Value | undefined {
  const kinds = n.slots(module);
  if (kinds.size === 0) return bias;
  const whole = end - start === outFeatures;
  const computed = (value: Value, axis: number) =>
    whole ? value : n.op('Slice', [value, n.ints(start), n.ints(end), n.ints(axis)]);
  let offset = bias ? n.op('Reshape', [bias, n.ints(1, end - start)]) : n.constant(tensor([0], [1, 1]));
  if (kinds.has('bias'))
    offset = n.op('Add', [offset, computed(summedDeltas(n, module, 'bias', outFeatures), 1)]);
  if (kinds.has('lowRank')) {
    const { down, up, scale } = lowRankInputs(n, module, [inFeatures], [outFeatures]);
    offset = whereActive(n, scale, offset, (given) => {
      const thin = n.op('Mul', [n.op('Gemm', [x, down], { transB: 1 }), scale]);
      return n.op('Gemm', [thin, computed(up, 0), given], { transB: 1 });
    });
  }
  if (kinds.has('delta')) {
    const scale = n.slotInput(module, slotInputs.delta.scale, [1, 'adapters']);
    offset = whereActive(n, scale, offset, (given) => {
      const sum = summedDeltas(n, module, 'delta', outFeatures * inFeatures);
      const delta = n.op('Reshape', [sum, n.ints(outFeatures, inFeatures)]);
      return n.op('Gemm', [x, computed(delta, 0), given], { transB: 1 });
    });
  }
  return offset;
}

/** The output of a convolution and what adapters make of its input. */
export function changedConvolution(
  n: NetworkBuilder,
  x: Value,
  y: Value,
  module: string,
  shape: ConvolutionShape,
): Value {
  const kinds = n.slots(module);
  const { inChannels, outChannels, kernel } = shape;
  let sum = y;
  if (kinds.has('lowRank')) {
    const { down, up, scale } = lowRankInputs(n, module, [inChannels, kernel, kernel], [outChannels], [1, 1]);
    // The number of ranks, and with it of zeros, is only known in the run.
    const noBias = n.dialect.fillsConvs ? n.op('Mul', [scale, n.scalar(0)]) : undefined;
    const thin = convolve(n, x, down, noBias, { ...shape, name: `${module}.down` });
    const scaled = n.op('Mul', [thin, n.op('Reshape', [scale, n.ints(-1, 1, 1)])]);
    // Ranks are fed as multiples of four.
    const product = { inChannels: 4, outChannels, kernel: 1, stride: 1, pads: [0, 0, 0, 0] } as const;
    const change = convolve(n, scaled, up, undefined, { ...product, name: `${module}.up` });
    sum = n.op('Add', [sum, change]);
  }
  if (kinds.has('delta')) {
    const size = outChannels * inChannels * kernel ** 2;
    const dims = n.ints(outChannels, inChannels, kernel, kernel);
    const delta = n.op('Reshape', [summedDeltas(n, module, 'delta', size), dims]);
    sum = n.op('Add', [sum, convolve(n, x, delta, undefined, { ...shape, name: `${module}.delta` })]);
  }
  if (kinds.has('bias')) {
    const bias = summedDeltas(n, module, 'bias', outChannels);
    sum = n.op('Add', [sum, n.op('Reshape', [bias, n.ints(outChannels, 1, 1)])]);
  }
  return sum;
}

function lowRankInputs(
  n: NetworkBuilder,
  module: string,
  inDims: readonly number[],
  outDims: readonly number[],
  kernel: readonly number[] = [],
): { down: Value; up: Value; scale: Value } {
  const names = slotInputs.lowRank;
  return {
    down: n.slotInput(module, names.down, ['rank', ...inDims]),
    up: n.slotInput(module, names.up, [...outDims, 'rank', ...kernel]),
    scale: n.slotInput(module, names.scale, ['rank']),
  };
}

/** The scale (`weight`) or shift (`bias`) of a normalization with what adapters add to it, of dims that begin with `size`. */
export function changedNorm(
  n: NetworkBuilder,
  value: Value,
  module: string,
  of: 'weight' | 'bias',
  dims: readonly number[],
): Value {
  const kind = of === 'weight' ? 'delta' : 'bias';
  if (!n.slots(module).has(kind)) return value;
  return n.op('Add', [value, n.op('Reshape', [summedDeltas(n, module, kind, dims[0]!), n.ints(...dims)])]);
}
