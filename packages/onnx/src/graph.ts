// ONNX graphs as plain TypeScript values: no protobuf in here.
import type { TensorData } from '@emulsion/tensor';
import type { ByteRange } from './byte-range.ts';
import type { DataType } from './data-type.ts';

/** Size of one dimension: a number, a name for a size that is only known when the graph runs, or nothing known. */
export type Dim = number | string | undefined;

/** What is known of a value before the graph runs. */
export interface ValueType {
  readonly dataType: DataType;
  /** Absent if not even the rank is known. */
  readonly shape?: readonly Dim[];
  /** The elements of a small integer vector or scalar, where they are known: shapes are computed with these. */
  readonly elements?: readonly Dim[];
}

/** A tensor that flows through a graph. Two values are the same if they are the same object. */
export interface Value {
  readonly name: string;
  readonly type?: ValueType;
}

/** A weight or a constant: a value whose elements are stored, in a file or with the graph. */
export interface Initializer {
  readonly value: Value;
  readonly dataType: DataType;
  readonly dims: readonly number[];
  /** Little-endian elements in row-major order. */
  readonly data: Uint8Array | ByteRange;
}

/** An attribute of a node, with the kinds that ONNX tells apart. */
export type Attribute =
  | { readonly kind: 'int'; readonly value: number | bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Omit<Initializer, 'value'> }
  | { readonly kind: 'graph'; readonly value: Graph };

/** One operation. An optional input that is not given is `undefined`. */
export interface Node {
  readonly opType: string;
  /** `''` is ONNX itself; `com.microsoft` are onnxruntime's own operators. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A graph: nodes in an order in which they can run. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
}

/** A graph and the versions of the operator sets that its nodes are from, by domain. */
export interface Model {
  readonly graph: Graph;
  readonly opsetVersions: Readonly<Record<string, number>>;
}

/** A floating-point attribute; a plain number in `GraphBuilder.op` is an integer. */
export function float(value: number): Attribute {
  return { kind: 'float', value };
}

/** The bytes of a typed array, little-endian, not copied. */
export function bytesOf(data: TensorData[keyof TensorData]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Whether the elements of an initializer lie in a file. */
export function isByteRange(data: Uint8Array | ByteRange): data is ByteRange {
  return 'file' in data;
}
