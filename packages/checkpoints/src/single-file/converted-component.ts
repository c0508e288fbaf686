// A component of a model in a single file, told in the terms of diffusers.
import type { Folder } from '../folder.ts';
import type { Weight, Weights } from '../weight.ts';

/** What is known of a component from its weights. */
export interface ConvertedComponent {
  /** Configuration that the shapes of the weights tell. */
  readonly measured: Readonly<Record<string, unknown>>;
  /** Configuration that shapes do not tell: that of the published models. */
  readonly assumed: Readonly<Record<string, unknown>>;
  /** The weights under their names in diffusers. Those of unknown names keep them. */
  weights(): Promise<Weights>;
}

/** The weights whose names begin with a prefix, without it. */
export function withoutPrefix(weights: Weights, prefix: string): Weights {
  const found = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    if (name.startsWith(prefix)) found.set(name.slice(prefix.length), weight);
  }
  return found;
}

/** The same weights under other names. */
export function renamed(weights: Weights, rename: (name: string) => string): Weights {
  return new Map(
    [...weights].map(([name, weight]) => {
      const other = rename(name);
      return [other, { ...weight, name: other }];
    }),
  );
}

/** `name` with the first word of the table that it begins with replaced. */
export function replaceStart(name: string, table: readonly (readonly [from: string, to: string])[]): string {
  for (const [from, to] of table) {
    if (name === from || name.startsWith(`${from}.`)) return to + name.slice(from.length);
  }
  return name;
}

/** A dimension of a weight; `undefined` if there is no such weight. */
export const dimOf = (weights: Weights, name: string, axis: number): number | undefined =>
  weights.get(name)?.dims[axis];

/** How many numbers from 0 on `has` holds for. */
export function countWhile(has: (index: number) => boolean): number {
  let count = 0;
  while (has(count)) count++;
  return count;
}

/** Heads of 64 channels each, which the published models have. */
export const headsOf64 = (channels: number): number => Math.max(1, Math.round(channels / 64));

/** Matrices that lie one below the other in one, by their names; together they have its rows. */
export function splitRows(
  weight: Weight,
  parts: readonly (readonly [name: string, rows: number])[],
): Weight[] {
  const { dims, range } = weight;
  const rowLength = range.length / dims[0]!;
  let { offset } = range;
  return parts.map(([name, rows]) => {
    const length = rows * rowLength;
    const part = { ...weight, name, dims: [rows, ...dims.slice(1)], range: { ...range, offset, length } };
    offset += length;
    return part;
  });
}

/** A copy of a weight, for what the original has in another order. @param change from its bytes to those of the copy */
export async function copied(
  folder: Folder,
  weight: Weight,
  change: (stored: Uint8Array) => Uint8Array,
): Promise<Weight> {
  const { name, path, range } = weight;
  const { file, offset, length } = range;
  const stored =
    file.kind === 'bytes'
      ? file.bytes.subarray(offset, offset + length)
      : await folder.read(path, { offset, length });
  const bytes = change(stored);
  return {
    ...weight,
    range: {
      file: { kind: 'bytes', name: `${folder.name}/${path}:${name}`, bytes },
      offset: 0,
      length: bytes.length,
    },
  };
}
