// Where a module of an adapter file belongs in the model.
import type { Component } from '../module-change.ts';

/** Rows `start` to `end` (excluded) of a weight. */
export type RowRange = readonly [start: number, end: number];

/** A module of the model, and which rows of the file's module are its own where the file has several in one. */
export interface Place {
  readonly component: Component;
  readonly module: string;
  /** Dims of the module's weight. */
  readonly dims: readonly number[];
  /** Rows of the weight that the file knows. */
  readonly fileRows: number;
  /** Those of them that are this module's, in its order. */
  readonly rows: readonly RowRange[];
}

/** The place of a module that the file and the model have alike. */
export const wholePlace = (component: Component, module: string, dims: readonly number[]): Place => {
  const rows = dims[0] ?? 1;
  return { component, module, dims, fileRows: rows, rows: [[0, rows]] };
};

/** Elements in a row of a module's weight. */
export const columnsOf = ({ dims }: Place): number => dims.slice(1).reduce((size, dim) => size * dim, 1);

/** Whether the rows of a place are all that the file has, in its order. */
export const isWhole = ({ rows, fileRows }: Place): boolean =>
  rows.length === 1 && rows[0]![0] === 0 && rows[0]![1] === fileRows;

/** The rows of a place out of row-major data with `columns` elements in a row; a view where they lie together. */
export function pickRows(data: Float32Array, columns: number, { rows }: Place): Float32Array {
  const [first, ...others] = rows.map(([start, end]) => data.subarray(start * columns, end * columns));
  if (!first || others.length === 0) return first ?? data.subarray(0, 0);
  const parts = [first, ...others];
  const picked = new Float32Array(parts.reduce((size, { length }) => size + length, 0));
  let position = 0;
  for (const part of parts) {
    picked.set(part, position);
    position += part.length;
  }
  return picked;
}

/** The file's number of each row of a place. */
export function* fileRowsOf({ rows }: Place): Generator<number> {
  for (const [start, end] of rows) for (let row = start; row < end; row++) yield row;
}
