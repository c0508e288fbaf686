// The shapes of what a transformer is given.
import { ShapeError, type Tensor } from '@emulsion/tensor';

/** @throws {ShapeError} if a tensor has other dims than `wanted`, where `undefined` is any size */
export function assertDims(name: string, { dims }: Tensor, wanted: readonly (number | undefined)[]): void {
  if (dims.length === wanted.length && wanted.every((dim, axis) => dim === undefined || dim === dims[axis]))
    return;
  throw new ShapeError(
    `transformer: "${name}" is [${dims.join(', ')}], this model takes [${wanted.map((dim) => dim ?? 'any').join(', ')}]. Use the text encoders and the latents that belong to it.`,
  );
}

/** One number for each sample. @throws {ShapeError} if it is a list of another length */
export function perSample(name: string, value: number | readonly number[], batch: number): readonly number[] {
  const list = typeof value === 'number' ? Array.from({ length: batch }, () => value) : value;
  if (list.length === batch) return list;
  throw new ShapeError(
    `transformer: "${name}" has ${list.length} numbers for ${batch} samples. Give one for all or one for each.`,
  );
}
