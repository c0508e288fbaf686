// Shape inference: from the types of a node's inputs to the types of its outputs, for the operators our graphs use.
// Each rule is the "Shape inference" of the operator's page in ONNX's Operators.md or onnxruntime's ContribOperators.md.
import type { DataType } from './data-type.ts';
import { GraphError } from './errors.ts';
import type { Attribute, Dim, ValueType } from './graph.ts';

type Shape = readonly Dim[];
type Attributes = Readonly<Record<string, Attribute>>;
type Types = readonly (ValueType | undefined)[];
type Rule = (inputs: Types, attributes: Attributes) => (ValueType | undefined)[];

const fail = (message: string): never => {
  throw new GraphError(message);
};

const show = (shape: Shape) => `[${shape.map((dim) => dim ?? '?').join(', ')}]`;

const intOf = (attributes: Attributes, name: string, fallback: number): number => {
  const attribute = attributes[name];
  return attribute?.kind === 'int' ? Number(attribute.value) : fallback;
};

const intsOf = (attributes: Attributes, name: string): number[] | undefined => {
  const attribute = attributes[name];
  return attribute?.kind === 'ints' ? attribute.value.map(Number) : undefined;
};

/** The type with another shape; a missing shape is left out and not set to undefined. */
const typed = (dataType: DataType, shape?: Shape, elements?: readonly Dim[]): ValueType => ({
  dataType,
  ...(shape && { shape }),
  ...(elements && { elements }),
});

/** A size computed from another: a number from a number, an expression from a name. */
const derive = (dim: Dim, compute: (size: number) => number, expression: (name: string) => string): Dim =>
  dim === undefined ? undefined : typeof dim === 'number' ? compute(dim) : expression(dim);

function broadcastDims(a: Dim, b: Dim, context: () => string): Dim {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number' && typeof b === 'number')
    return fail(`${a} and ${b} do not broadcast: ${context()}`);
  // A name against a number other than 1 must be that number when the graph runs.
  return typeof a === 'number' ? a : b;
}

function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a.length - rank + i;
    const right = b.length - rank + i;
    return broadcastDims(
      left < 0 ? 1 : a[left],
      right < 0 ? 1 : b[right],
      () => `${show(a)} with ${show(b)}`,
    );
  });
}

const same: Rule = ([x]) => [x && typed(x.dataType, x.shape)];

const elementwise: Rule = (inputs) => {
  const first = inputs[0];
  const shapes = inputs.map((input) => input?.shape);
  if (!first || shapes.some((shape) => !shape)) return [first && typed(first.dataType)];
  return [
    typed(
      first.dataType,
      (shapes as Shape[]).reduce((a, b) => broadcast(a, b)),
    ),
  ];
};

const arithmetic =
  (compute: (a: number, b: number) => number, sign: string): Rule =>
  (inputs, attributes) => {
    const [result] = elementwise(inputs, attributes);
    const [a, b] = inputs.map((input) => input?.elements);
    if (!result || !a || !b) return [result];
    const length = Math.max(a.length, b.length);
    const elements = Array.from({ length }, (_, i): Dim => {
      const x = a[a.length === 1 ? 0 : i];
      const y = b[b.length === 1 ? 0 : i];
      if (x === undefined || y === undefined) return undefined;
      if (typeof x === 'number' && typeof y === 'number') return compute(x, y);
      return simplify(x, sign, y);
    });
    return [typed(result.dataType, result.shape, elements)];
  };

/** An expression of sizes, without the terms and factors that change nothing. */
function simplify(x: string | number, sign: string, y: string | number): Dim {
  if (sign === '*' && (x === 0 || y === 0)) return 0;
  const neutral = sign === '+' || sign === '-' ? 0 : 1;
  if (y === neutral) return x;
  if (x === neutral && (sign === '+' || sign === '*')) return y;
  return `(${x}${sign}${y})`;
}

const comparison: Rule = (inputs, attributes) => {
  const [result] = elementwise(inputs, attributes);
  return [typed('bool', result?.shape)];
};

const normalizeAxis = (axis: number, rank: number): number => {
  if (axis < -rank || axis >= rank) fail(`axis ${axis} is outside of a tensor of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
};

const matMul: Rule = ([a, b]) => {
  if (!a?.shape || !b?.shape) return [a && typed(a.dataType)];
  if (a.shape.length < 2 || b.shape.length < 2)
    return fail(`MatMul of ${show(a.shape)} and ${show(b.shape)}`);
  const [inner, other] = [a.shape.at(-1), b.shape.at(-2)];
  if (typeof inner === 'number' && typeof other === 'number' && inner !== other) {
    fail(`MatMul of ${show(a.shape)} and ${show(b.shape)}: ${inner} columns meet ${other} rows`);
  }
  return [
    typed(a.dataType, [
      ...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)),
      a.shape.at(-2),
      b.shape.at(-1),
    ]),
  ];
};

const gemm: Rule = ([a, b, c], attributes) => {
  if (!a?.shape || !b?.shape) return [a && typed(a.dataType)];
  const [rows, inner] = intOf(attributes, 'transA', 0) ? [a.shape[1], a.shape[0]] : a.shape;
  const [other, columns] = intOf(attributes, 'transB', 0) ? [b.shape[1], b.shape[0]] : b.shape;
  if (
    a.shape.length !== 2 ||
    b.shape.length !== 2 ||
    (typeof inner === 'number' && typeof other === 'number' && inner !== other)
  ) {
    fail(`Gemm of ${show(a.shape)} and ${show(b.shape)}: ${inner} columns meet ${other} rows`);
  }
  if (c?.shape) broadcast([rows, columns], c.shape);
  return [typed(a.dataType, [rows, columns])];
};

const spatialSize = (size: Dim, kernel: number, stride: number, padding: number, dilation: number): Dim => {
  const reach = dilation * (kernel - 1) + 1 - padding;
  if (stride === 1 && reach === 1) return size;
  return derive(
    size,
    (n) => Math.floor((n - reach) / stride) + 1,
    (name) => `floor((${name}-${reach})/${stride}+1)`,
  );
};

const conv: Rule = ([x, w], attributes) => {
  if (!x?.shape || !w?.shape) return [x && typed(x.dataType)];
  const group = intOf(attributes, 'group', 1);
  const [batch, channels, ...space] = x.shape;
  const [outChannels, inChannels, ...kernel] = w.shape;
  if (typeof channels === 'number' && typeof inChannels === 'number' && channels !== inChannels * group) {
    fail(
      `Conv of ${show(x.shape)} with weights ${show(w.shape)}: ${channels} channels came, ${inChannels * group} are wanted`,
    );
  }
  const strides = intsOf(attributes, 'strides');
  const pads = intsOf(attributes, 'pads');
  const dilations = intsOf(attributes, 'dilations');
  const sizes = space.map((size, i) => {
    const k = kernel[i];
    if (typeof k !== 'number') return undefined;
    const padding = (pads?.[i] ?? 0) + (pads?.[i + space.length] ?? 0);
    return spatialSize(size, k, strides?.[i] ?? 1, padding, dilations?.[i] ?? 1);
  });
  return [typed(x.dataType, [batch, outChannels, ...sizes])];
};

const averagePool: Rule = ([x], attributes) => {
  if (!x?.shape) return [x];
  const [batch, channels, ...space] = x.shape;
  const kernel = intsOf(attributes, 'kernel_shape') ?? [];
  const strides = intsOf(attributes, 'strides');
  const pads = intsOf(attributes, 'pads');
  const sizes = space.map((size, i) => {
    const padding = (pads?.[i] ?? 0) + (pads?.[i + space.length] ?? 0);
    return spatialSize(size, kernel[i] ?? 1, strides?.[i] ?? 1, padding, 1);
  });
  return [typed(x.dataType, [batch, channels, ...sizes])];
};

const multiply = (dims: Shape): Dim => {
  if (dims.includes(undefined)) return undefined;
  const names = dims.filter((dim) => typeof dim === 'string');
  const factor = dims.reduce<number>(
    (product, dim) => (typeof dim === 'number' ? product * dim : product),
    1,
  );
  if (names.length === 0 || factor === 0) return factor;
  return [...(factor === 1 ? [] : [factor]), ...names.toSorted()].join('*');
};

const reshape: Rule = ([x, target]) => {
  if (!x) return [undefined];
  const wanted = target?.elements;
  if (!wanted) return [typed(x.dataType)];
  const shape = wanted.map((dim, axis) => (dim === 0 ? x.shape?.[axis] : dim));
  const free = shape.indexOf(-1);
  if (free >= 0)
    shape[free] =
      x.shape &&
      remainder(
        x.shape,
        shape.filter((_, axis) => axis !== free),
      );
  else if (x.shape) {
    const [from, to] = [multiply(x.shape), multiply(shape)];
    if (typeof from === 'number' && typeof to === 'number' && from !== to) {
      fail(`Reshape of ${show(x.shape)} to ${show(wanted)}: ${from} elements do not fill ${to}`);
    }
  }
  // Shapes are reshaped too, for instance a scalar to a vector of one.
  return [typed(x.dataType, shape, shape.length <= 1 ? x.elements : undefined)];
};

/** What is left of the product of `from` after the dims of `taken`, where equal names cancel. */
function remainder(from: Shape, taken: Shape): Dim {
  const left = [...from];
  let divisor = 1;
  for (const dim of taken) {
    const at = left.indexOf(dim);
    if (at >= 0 && dim !== undefined) left.splice(at, 1);
    else if (typeof dim === 'number') divisor *= dim;
    else return undefined;
  }
  const product = multiply(left);
  if (divisor === 1) return product;
  if (typeof product === 'string') {
    const [factor, ...names] = product.split('*');
    const number = Number(factor);
    return Number.isInteger(number) && number % divisor === 0
      ? multiply([number / divisor, ...names])
      : undefined;
  }
  if (product === undefined) return undefined;
  return product % divisor === 0
    ? product / divisor
    : fail(`Reshape of ${show(from)}: not divisible by ${divisor}`);
}

const transpose: Rule = ([x], attributes) => {
  if (!x?.shape) return [x];
  const shape = x.shape;
  const perm = intsOf(attributes, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (perm.length !== shape.length) fail(`Transpose of ${show(shape)} by ${show(perm)}`);
  return [
    typed(
      x.dataType,
      perm.map((axis) => shape[axis]),
    ),
  ];
};

const concat: Rule = (inputs, attributes) => {
  const first = inputs[0];
  if (!first?.shape) return [first && typed(first.dataType)];
  const axis = normalizeAxis(intOf(attributes, 'axis', 0), first.shape.length);
  const shape = [...first.shape];
  for (const input of inputs.slice(1)) {
    if (!input?.shape) return [typed(first.dataType)];
    input.shape.forEach((dim, i) => {
      if (i === axis) {
        const size = shape[axis];
        shape[axis] =
          size === undefined || dim === undefined
            ? undefined
            : typeof size === 'number' && typeof dim === 'number'
              ? size + dim
              : `(${size}+${dim})`;
      } else
        shape[i] = broadcastDims(
          shape[i],
          dim,
          () => `Concat of ${show(first.shape ?? [])} and ${show(input.shape ?? [])}`,
        );
    });
  }
  const parts = inputs.map((input) => input?.elements);
  const elements = parts.every((part) => part !== undefined) ? (parts as Shape[]).flat() : undefined;
  return [typed(first.dataType, shape, elements)];
};

const shapeOf: Rule = ([x], attributes) => {
  const dims = x?.shape;
  if (!dims) return [typed('int64')];
  const elements = dims.slice(intOf(attributes, 'start', 0), intOf(attributes, 'end', dims.length));
  return [typed('int64', [elements.length], elements)];
};

const gather: Rule = ([data, indices], attributes) => {
  if (!data?.shape || !indices?.shape) return [data && typed(data.dataType)];
  const axis = normalizeAxis(intOf(attributes, 'axis', 0), data.shape.length);
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  const elements = data.elements;
  const picked =
    elements && indices.elements?.map((i) => (typeof i === 'number' ? elements.at(i) : undefined));
  return [typed(data.dataType, shape, picked)];
};

const slice: Rule = ([x, starts, ends, axes, steps]) => {
  if (!x?.shape) return [x && typed(x.dataType)];
  const shape: Dim[] = [...x.shape];
  let elements = x.elements;
  const from = starts?.elements;
  const to = ends?.elements;
  if (!from || !to)
    return [
      typed(
        x.dataType,
        shape.map(() => undefined),
      ),
    ];
  from.forEach((start, i) => {
    const axis = normalizeAxis(Number(axes?.elements?.[i] ?? i), shape.length);
    const size = shape[axis];
    const end = to[i];
    const step = steps?.elements?.[i] ?? 1;
    if (typeof start !== 'number' || typeof end !== 'number' || typeof size !== 'number' || step !== 1) {
      shape[axis] = undefined;
      elements = undefined;
      return;
    }
    const [low, high] = [start, end].map((at) => Math.min(Math.max(at < 0 ? at + size : at, 0), size)) as [
      number,
      number,
    ];
    shape[axis] = Math.max(high - low, 0);
    elements = elements?.slice(low, high);
  });
  return [typed(x.dataType, shape, elements)];
};

const unsqueeze: Rule = ([x, axes]) => {
  if (!x?.shape || !axes?.elements) return [x && typed(x.dataType)];
  const rank = x.shape.length + axes.elements.length;
  const shape: Dim[] = [...x.shape];
  for (const axis of axes.elements.map((at) => normalizeAxis(Number(at), rank)).toSorted((a, b) => a - b)) {
    shape.splice(axis, 0, 1);
  }
  return [typed(x.dataType, shape, x.elements)];
};

const squeeze: Rule = ([x, axes]) => {
  const shape = x?.shape;
  if (!shape || !axes?.elements) return [x && typed(x.dataType)];
  const dropped = new Set(axes.elements.map((at) => normalizeAxis(Number(at), shape.length)));
  return [
    typed(
      x.dataType,
      shape.filter((_, axis) => !dropped.has(axis)),
      x.elements,
    ),
  ];
};

const resize: Rule = ([x, , scales, sizes]) => {
  if (!x?.shape) return [x];
  if (sizes?.elements) return [typed(x.dataType, sizes.elements)];
  const factors = scales?.elements;
  return [
    typed(
      x.dataType,
      x.shape.map((dim, axis) => {
        const factor = factors?.[axis];
        if (typeof factor !== 'number') return undefined;
        return factor === 1
          ? dim
          : derive(
              dim,
              (n) => Math.floor(n * factor),
              (name) => `${factor}*${name}`,
            );
      }),
    ),
  ];
};

const depthToSpace: Rule = ([x], attributes) => {
  if (!x?.shape) return [x];
  const [batch, channels, ...sizes] = x.shape;
  const block = intOf(attributes, 'blocksize', 1);
  if (typeof channels === 'number' && channels % block ** 2 !== 0)
    fail(`DepthToSpace of ${show(x.shape)}: ${channels} channels are no multiple of ${block ** 2}`);
  const enlarge = (dim: Dim) =>
    derive(
      dim,
      (n) => n * block,
      (name) => `${block}*${name}`,
    );
  const fewer = derive(
    channels,
    (n) => n / block ** 2,
    (name) => `${name}/${block ** 2}`,
  );
  return [typed(x.dataType, [batch, fewer, ...sizes.map(enlarge)])];
};

const pad: Rule = ([x, pads, , axes]) => {
  if (!x?.shape || !pads?.elements)
    return [
      x &&
        typed(
          x.dataType,
          x.shape?.map(() => undefined),
        ),
    ];
  const rank = x.shape.length;
  const count = pads.elements.length / 2;
  const shape = [...x.shape];
  for (let i = 0; i < count; i++) {
    const axis = normalizeAxis(Number(axes?.elements?.[i] ?? i), rank);
    const [before, after] = [pads.elements[i], pads.elements[i + count]];
    const added = typeof before === 'number' && typeof after === 'number' ? before + after : undefined;
    shape[axis] =
      added === undefined
        ? undefined
        : added === 0
          ? shape[axis]
          : derive(
              shape[axis],
              (n) => n + added,
              (name) => `(${name}+${added})`,
            );
  }
  return [typed(x.dataType, shape)];
};

const expand: Rule = ([x, target]) => {
  if (!x?.shape || !target?.elements) return [x && typed(x.dataType)];
  return [typed(x.dataType, broadcast(x.shape, target.elements))];
};

const split: Rule = ([x, sizes], attributes) => {
  const shape = x?.shape;
  const count = sizes?.elements?.length ?? intOf(attributes, 'num_outputs', 1);
  if (!x || !shape) return Array.from({ length: count }, () => x && typed(x.dataType));
  const axis = normalizeAxis(intOf(attributes, 'axis', 0), shape.length);
  const size = shape[axis];
  return Array.from({ length: count }, (_, i) => {
    const part = sizes?.elements?.[i] ?? (typeof size === 'number' ? Math.ceil(size / count) : undefined);
    return typed(x.dataType, shape.with(axis, part));
  });
};

const cast: Rule = ([x], attributes) => {
  const number = intOf(attributes, 'to', 1);
  return [x && typed(dataTypeOfNumber(number), x.shape, x.elements)];
};

function dataTypeOfNumber(number: number): DataType {
  const names: Readonly<Record<number, DataType>> = {
    1: 'float32',
    6: 'int32',
    7: 'int64',
    9: 'bool',
    10: 'float16',
    16: 'bfloat16',
  };
  return names[number] ?? fail(`Cast to data type ${number}, which graphs here do not use`);
}

const reduce: Rule = ([x, axes], attributes) => {
  if (!x?.shape) return [x];
  const rank = x.shape.length;
  const listed = axes?.elements?.map(Number) ?? intsOf(attributes, 'axes') ?? x.shape.map((_, axis) => axis);
  const reduced = new Set(listed.map((axis) => normalizeAxis(axis, rank)));
  const keep = intOf(attributes, 'keepdims', 1);
  const shape = keep
    ? x.shape.map((dim, axis) => (reduced.has(axis) ? 1 : dim))
    : x.shape.filter((_, axis) => !reduced.has(axis));
  return [typed(x.dataType, shape)];
};

const argReduce: Rule = ([x], attributes) => {
  if (!x?.shape) return [typed('int64')];
  const axis = normalizeAxis(intOf(attributes, 'axis', 0), x.shape.length);
  const keep = intOf(attributes, 'keepdims', 1);
  return [typed('int64', keep ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1))];
};

const multiHeadAttention: Rule = ([query, key, value], attributes) => {
  if (!query?.shape) return [query];
  const heads = intOf(attributes, 'num_heads', 0);
  const channels = query.shape[2];
  if (typeof channels === 'number' && channels % heads)
    fail(`MultiHeadAttention: ${channels} channels in ${heads} heads`);
  for (const other of [key, value])
    if (other?.shape) broadcastDims(query.shape[0], other.shape[0], () => 'MultiHeadAttention: batches');
  return [typed(query.dataType, [query.shape[0], query.shape[1], value?.shape?.[2] ?? channels])];
};

const rules: Readonly<Record<string, Rule>> = {
  Add: arithmetic((a, b) => a + b, '+'),
  Sub: arithmetic((a, b) => a - b, '-'),
  Mul: arithmetic((a, b) => a * b, '*'),
  Div: arithmetic((a, b) => Math.trunc(a / b), '/'),
  Pow: elementwise,
  Min: elementwise,
  Max: elementwise,
  Where: ([condition, ...branches], attributes) => {
    const [shape] = elementwise([condition, ...branches], attributes);
    return [branches[0] && typed(branches[0].dataType, shape?.shape)];
  },
  Equal: comparison,
  Less: comparison,
  Greater: comparison,
  Sigmoid: same,
  Tanh: same,
  Sqrt: same,
  Exp: same,
  Erf: same,
  Gelu: same,
  Relu: same,
  Neg: same,
  Elu: same,
  Selu: same,
  Shrink: same,
  Softplus: same,
  Softsign: same,
  Sin: same,
  Cos: same,
  Softmax: same,
  LayerNormalization: same,
  InstanceNormalization: same,
  'com.microsoft.QuickGelu': same,
  'com.microsoft.MultiHeadAttention': multiHeadAttention,
  MatMul: matMul,
  Gemm: gemm,
  Conv: conv,
  AveragePool: averagePool,
  Reshape: reshape,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Shape: shapeOf,
  Cast: cast,
  Expand: expand,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Resize: resize,
  DepthToSpace: depthToSpace,
  Pad: pad,
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceMax: reduce,
  ReduceL1: reduce,
  ArgMax: argReduce,
  Identity: ([x]) => [x],
};

/**
 * The types of a node's outputs, as far as they follow from its inputs. An operator without a rule gives nothing known.
 * @param opType with its domain in front unless that is ONNX's own: `com.microsoft.QuickGelu`
 * @throws {GraphError} if the inputs do not fit the operator or each other
 */
export function inferTypes(opType: string, inputs: Types, attributes: Attributes): (ValueType | undefined)[] {
  return rules[opType]?.(inputs, attributes) ?? [];
}
