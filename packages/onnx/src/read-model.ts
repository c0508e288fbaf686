// The bytes of an .onnx file (protobuf, onnx.proto) as a model.
import type { ByteRange } from './byte-range.ts';
import { type DataType, dataTypeBytes, dataTypeNumbers } from './data-type.ts';
import { GraphError } from './errors.ts';
import type { Attribute, Dim, Graph, Initializer, Model, Node, Value, ValueType } from './graph.ts';
import {
  type AttributeProto,
  attributeTypes,
  externalLocation,
  type GraphProto,
  type ModelProto,
  modelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx-proto.ts';
import { fromBytes } from './protobuf.ts';

/** Where the bytes of an external tensor are: `location` is relative to the model's file. */
export type Resolve = (location: string, offset: number, length: number) => ByteRange;

const dataTypes = new Map<number, DataType>(
  Object.entries(dataTypeNumbers).map(([name, number]) => [number, name as DataType]), // keys of the table
);

const dataTypeOf = (number: number, where: string): DataType => {
  const dataType = dataTypes.get(number);
  if (!dataType)
    throw new GraphError(`ONNX model: ${where} has data type ${number}, which is not supported.`);
  return dataType;
};

function valueType({ name, type }: ValueInfoProto): ValueType | undefined {
  if (!type?.tensorType) return undefined;
  const { elemType = 0, shape } = type.tensorType;
  const dims = shape?.dim.map(
    ({ dimValue, dimParam }): Dim => (dimValue === undefined ? dimParam : Number(dimValue)),
  );
  return { dataType: dataTypeOf(elemType, `"${name ?? ''}"`), ...(dims && { shape: dims }) };
}

/** Elements that lie in typed fields instead of `raw_data`, as little-endian bytes. */
function packedElements(tensor: TensorProto, dataType: DataType): Uint8Array {
  const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  switch (dataType) {
    case 'float32':
      return bytes(Float32Array.from(tensor.floatData));
    case 'float64':
      return bytes(Float64Array.from(tensor.doubleData));
    case 'int64':
      return bytes(BigInt64Array.from(tensor.int64Data));
    case 'uint64':
      return bytes(BigUint64Array.from(tensor.uint64Data));
    case 'uint32':
      return bytes(Uint32Array.from(tensor.uint64Data, Number));
    case 'int32':
      return bytes(Int32Array.from(tensor.int32Data));
    case 'int16':
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return bytes(Uint16Array.from(tensor.int32Data));
    case 'int8':
    case 'uint8':
    case 'bool':
      return Uint8Array.from(tensor.int32Data);
  }
}

function storedTensor(tensor: TensorProto, resolve: Resolve): Omit<Initializer, 'value'> {
  const where = `tensor "${tensor.name ?? ''}"`;
  const dataType = dataTypeOf(tensor.dataType ?? 0, where);
  const dims = tensor.dims.map(Number);
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw new GraphError(`ONNX model: ${where} has the dims [${dims.join(', ')}]. The file is damaged.`);
  }
  const length = dims.reduce((size, dim) => size * dim, dataTypeBytes[dataType]);
  if (tensor.dataLocation === externalLocation) {
    const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const location = entries.get('location');
    const offset = Number(entries.get('offset') ?? 0);
    if (
      location === undefined ||
      !Number.isSafeInteger(offset) ||
      Number(entries.get('length') ?? length) !== length
    ) {
      throw new GraphError(
        `ONNX model: ${where} does not say which ${length} bytes of which file it is. The file is damaged.`,
      );
    }
    return { dataType, dims, data: resolve(location, offset, length) };
  }
  const data = tensor.rawData?.length ? tensor.rawData : packedElements(tensor, dataType);
  if (data.length !== length) {
    throw new GraphError(
      `ONNX model: ${where} has ${data.length} bytes where its dims say ${length}. The file is damaged.`,
    );
  }
  return { dataType, dims, data };
}

/** The values in sight of a graph: its own, and for a sub-graph those of the graphs around it. */
class Scope {
  readonly #values = new Map<string, Value>();
  readonly #types = new Map<string, ValueType>();
  readonly #parent: Scope | undefined;

  constructor(infos: readonly ValueInfoProto[], parent?: Scope) {
    for (const info of infos) {
      const type = valueType(info);
      if (type) this.#types.set(info.name ?? '', type);
    }
    this.#parent = parent;
  }

  define(name: string): Value {
    if (this.#values.has(name))
      throw new GraphError(`ONNX model: two values are called "${name}". The file is damaged.`);
    const type = this.#types.get(name);
    const value: Value = { name, ...(type && { type }) };
    this.#values.set(name, value);
    return value;
  }

  find(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#parent?.find(name);
  }

  get(name: string, user: string): Value {
    const value = this.find(name);
    if (!value)
      throw new GraphError(
        `ONNX model: ${user} uses "${name}" before anything gives it. The file is damaged.`,
      );
    return value;
  }
}

const utf8 = new TextDecoder();

function attributeOf(proto: AttributeProto, scope: Scope, resolve: Resolve): Attribute {
  const small = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
  const type = attributeTypes;
  switch (proto.type) {
    case type.INT:
      return { kind: 'int', value: small(proto.i ?? 0n) };
    case type.FLOAT:
      return { kind: 'float', value: proto.f ?? 0 };
    case type.STRING:
      return { kind: 'string', value: utf8.decode(proto.s ?? new Uint8Array()) };
    case type.INTS:
      return { kind: 'ints', value: proto.ints.map(small) };
    case type.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case type.STRINGS:
      return { kind: 'strings', value: proto.strings.map((text) => utf8.decode(text)) };
    case type.TENSOR:
      if (proto.t) return { kind: 'tensor', value: storedTensor(proto.t, resolve) };
      break;
    case type.GRAPH:
      if (proto.g) return { kind: 'graph', value: graphOf(proto.g, resolve, scope) };
  }
  throw new GraphError(
    `ONNX model: attribute "${proto.name ?? ''}" has type ${proto.type ?? 0}, which is not supported.`,
  );
}

function nodeOf(proto: NodeProto, scope: Scope, resolve: Resolve): Node {
  const { opType = '', domain = '', name = '' } = proto;
  const user = `node "${name === '' ? opType : name}"`;
  const inputs = proto.input.map((name) => (name === '' ? undefined : scope.get(name, user)));
  const attributes = Object.fromEntries(
    proto.attribute.map((attribute) => [attribute.name ?? '', attributeOf(attribute, scope, resolve)]),
  );
  // An optional output that is left out has no name; it keeps its place as a value nobody uses.
  const outputs = proto.output.map((name): Value => (name === '' ? { name } : scope.define(name)));
  return { opType, domain, name, inputs, outputs, attributes };
}

function graphOf(proto: GraphProto, resolve: Resolve, parent?: Scope): Graph {
  const scope = new Scope([...proto.input, ...proto.output, ...proto.valueInfo], parent);
  const { name = '' } = proto;
  const stored = new Set(proto.initializer.map(({ name }) => name));
  // Old files list initializers among the inputs too.
  const inputs = proto.input
    .filter(({ name }) => !stored.has(name))
    .map(({ name = '' }) => scope.define(name));
  const initializers = proto.initializer.map(
    (tensor): Initializer => ({ value: scope.define(tensor.name ?? ''), ...storedTensor(tensor, resolve) }),
  );
  const nodes = proto.node.map((node) => nodeOf(node, scope, resolve));
  const outputs = proto.output.map((output) => scope.get(output.name ?? '', `graph "${name}"`));
  return { name, inputs, outputs, nodes, initializers };
}

/**
 * Reads an .onnx file.
 * @param resolve tells where the bytes of external tensors are
 * @throws {GraphError} if the bytes are no ONNX model, or one that uses what graphs here cannot express
 */
export function readModel(bytes: Uint8Array, resolve: Resolve): Model {
  let proto: ModelProto;
  try {
    proto = fromBytes(modelProto, bytes);
  } catch (cause) {
    throw new GraphError(
      'ONNX model: the bytes are not an ONNX file, or the file is cut off. Fetch it again.',
      { cause },
    );
  }
  if (!proto.graph) throw new GraphError('ONNX model: the file has no graph. Fetch it again.');
  const opsetVersions = Object.fromEntries(
    proto.opsetImport.map(({ domain = '', version = 0n }) => [domain, Number(version)]),
  );
  try {
    return { graph: graphOf(proto.graph, resolve), opsetVersions };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new GraphError(
      'ONNX model: its graphs lie too deep inside of each other, or a tensor is too large. The file is damaged.',
      { cause },
    );
  }
}
