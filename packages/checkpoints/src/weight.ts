// A weight: the name, type and shape of a tensor in a file, and where its bytes lie.
import type { ByteRange, DataType } from '@emulsion/onnx';

/** One tensor of a checkpoint. Its values stay in the file. */
export interface Weight {
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
  /** The file, as the folder it was opened from knows it. */
  readonly path: string;
  /** Where the elements lie, in row-major order, little-endian. */
  readonly range: ByteRange;
}

/** The weights of a model or of a part of one, by name. */
export type Weights = ReadonlyMap<string, Weight>;
