export type { ByteRange, FileRef } from './byte-range.ts';
export { type DataType, dataTypeBytes, dataTypeNumbers } from './data-type.ts';
export { GraphError } from './errors.ts';
export {
  type Attribute,
  type Dim,
  float,
  type Graph,
  type Initializer,
  isByteRange,
  type Model,
  type Node,
  type Value,
  type ValueType,
} from './graph.ts';
export { type AttributeLike, GraphBuilder, type NodeOptions } from './graph-builder.ts';
export { activationMemory, inputShapes, type WeightMemory, weightMemory } from './graph-memory.ts';
export { onlyOutputs } from './only-outputs.ts';
export { withPortableTypes } from './portable-types.ts';
export { type Resolve, readModel } from './read-model.ts';
export { replaceValues } from './replace-values.ts';
export { type Locate, writeModel } from './write-model.ts';
