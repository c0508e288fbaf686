// The messages of onnx.proto that graphs here are made of, with its names and numbers; what else a file holds is skipped.
import {
  bytes,
  double,
  float,
  int32,
  int64,
  type MessageCodec,
  message,
  once,
  packed,
  repeated,
  string,
  uint64,
} from './protobuf.ts';

type Optional<Value> = Value | undefined;

export interface StringStringEntryProto {
  readonly key: Optional<string>;
  readonly value: Optional<string>;
}

export interface TensorProto {
  readonly dims: readonly bigint[];
  readonly dataType: Optional<number>;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly bigint[];
  readonly name: Optional<string>;
  readonly rawData: Optional<Uint8Array>;
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly bigint[];
  readonly externalData: readonly StringStringEntryProto[];
  readonly dataLocation: Optional<number>;
}

/** `TensorProto.DataLocation`: the elements are in another file. */
export const externalLocation = 1;

export interface DimensionProto {
  readonly dimValue: Optional<bigint>;
  readonly dimParam: Optional<string>;
}

export interface TensorShapeProto {
  readonly dim: readonly DimensionProto[];
}

export interface TensorTypeProto {
  readonly elemType: Optional<number>;
  readonly shape: Optional<TensorShapeProto>;
}

export interface TypeProto {
  readonly tensorType: Optional<TensorTypeProto>;
}

export interface ValueInfoProto {
  readonly name: Optional<string>;
  readonly type: Optional<TypeProto>;
}

/** `AttributeProto.AttributeType`, those that graphs here have. */
export const attributeTypes = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

export interface AttributeProto {
  readonly name: Optional<string>;
  readonly f: Optional<number>;
  readonly i: Optional<bigint>;
  readonly s: Optional<Uint8Array>;
  readonly t: Optional<TensorProto>;
  readonly g: Optional<GraphProto>;
  readonly floats: readonly number[];
  readonly ints: readonly bigint[];
  readonly strings: readonly Uint8Array[];
  readonly type: Optional<number>;
}

export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: Optional<string>;
  readonly opType: Optional<string>;
  readonly attribute: readonly AttributeProto[];
  readonly domain: Optional<string>;
}

export interface GraphProto {
  readonly node: readonly NodeProto[];
  readonly name: Optional<string>;
  readonly initializer: readonly TensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
}

export interface OperatorSetIdProto {
  readonly domain: Optional<string>;
  readonly version: Optional<bigint>;
}

export interface ModelProto {
  readonly irVersion: Optional<bigint>;
  readonly producerName: Optional<string>;
  readonly graph: Optional<GraphProto>;
  readonly opsetImport: readonly OperatorSetIdProto[];
}

const scalar = {
  int32: () => int32,
  int64: () => int64,
  uint64: () => uint64,
  float: () => float,
  double: () => double,
  string: () => string,
  bytes: () => bytes,
};

const stringStringEntryProto = message<StringStringEntryProto>({
  key: once(1, scalar.string),
  value: once(2, scalar.string),
});

const tensorProto = message<TensorProto>({
  dims: repeated(1, scalar.int64),
  dataType: once(2, scalar.int32),
  floatData: packed(4, scalar.float),
  int32Data: packed(5, scalar.int32),
  int64Data: packed(7, scalar.int64),
  name: once(8, scalar.string),
  rawData: once(9, scalar.bytes),
  doubleData: packed(10, scalar.double),
  uint64Data: packed(11, scalar.uint64),
  externalData: repeated(13, () => stringStringEntryProto),
  dataLocation: once(14, scalar.int32),
});

const dimensionProto = message<DimensionProto>({
  dimValue: once(1, scalar.int64),
  dimParam: once(2, scalar.string),
});

const tensorShapeProto = message<TensorShapeProto>({ dim: repeated(1, () => dimensionProto) });

const tensorTypeProto = message<TensorTypeProto>({
  elemType: once(1, scalar.int32),
  shape: once(2, () => tensorShapeProto),
});

const typeProto = message<TypeProto>({ tensorType: once(1, () => tensorTypeProto) });

const valueInfoProto = message<ValueInfoProto>({
  name: once(1, scalar.string),
  type: once(2, () => typeProto),
});

const attributeProto: MessageCodec<AttributeProto> = message<AttributeProto>({
  name: once(1, scalar.string),
  f: once(2, scalar.float),
  i: once(3, scalar.int64),
  s: once(4, scalar.bytes),
  t: once(5, () => tensorProto),
  g: once(6, () => graphProto),
  floats: repeated(7, scalar.float),
  ints: repeated(8, scalar.int64),
  strings: repeated(9, scalar.bytes),
  type: once(20, scalar.int32),
});

const nodeProto = message<NodeProto>({
  input: repeated(1, scalar.string),
  output: repeated(2, scalar.string),
  name: once(3, scalar.string),
  opType: once(4, scalar.string),
  attribute: repeated(5, () => attributeProto),
  domain: once(7, scalar.string),
});

const graphProto = message<GraphProto>({
  node: repeated(1, () => nodeProto),
  name: once(2, scalar.string),
  initializer: repeated(5, () => tensorProto),
  input: repeated(11, () => valueInfoProto),
  output: repeated(12, () => valueInfoProto),
  valueInfo: repeated(13, () => valueInfoProto),
});

const operatorSetIdProto = message<OperatorSetIdProto>({
  domain: once(1, scalar.string),
  version: once(2, scalar.int64),
});

export const modelProto: MessageCodec<ModelProto> = message<ModelProto>({
  irVersion: once(1, scalar.int64),
  producerName: once(2, scalar.string),
  graph: once(7, () => graphProto),
  opsetImport: repeated(8, () => operatorSetIdProto),
});
