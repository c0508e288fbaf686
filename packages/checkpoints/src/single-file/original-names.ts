// Transformers in the names of their authors: what a weight becomes in diffusers, where that is more than another name.
import type { Folder } from '../folder.ts';
import type { Weight, Weights } from '../weight.ts';
import { copied, splitRows } from './converted-component.ts';

/** What a weight is called in diffusers. */
export type DiffusersName =
  | string
  /** Several weights that lie one below the other. */
  | { readonly parts: readonly (readonly [name: string, rows: number])[] }
  /** Shift and scale change places. */
  | { readonly swapped: string };

/** The weights under their names in diffusers; those of which halves change places are read. */
export async function renameOriginal(
  folder: Folder,
  weights: Weights,
  nameOf: (name: string, weight: Weight) => DiffusersName,
): Promise<Weights> {
  const named = new Map<string, Weight>();
  for (const [original, weight] of weights) {
    const wanted = nameOf(original, weight);
    // What has not the rows for it keeps its name, and is missed where it is needed.
    const name = fits(weight, wanted) ? wanted : original;
    if (typeof name === 'string') named.set(name, { ...weight, name });
    else if ('parts' in name) for (const part of splitRows(weight, name.parts)) named.set(part.name, part);
    else {
      const copy = await copied(folder, { ...weight, name: name.swapped }, (stored) => {
        const half = stored.length / 2;
        const turned = new Uint8Array(stored.length);
        turned.set(stored.subarray(half));
        turned.set(stored.subarray(0, half), half);
        return turned;
      });
      named.set(name.swapped, copy);
    }
  }
  return named;
}

function fits({ dims }: Weight, name: DiffusersName): boolean {
  if (typeof name === 'string') return true;
  const rows = dims[0] ?? 0;
  if ('swapped' in name) return rows > 0 && rows % 2 === 0;
  const whole = name.parts.every(([, part]) => Number.isInteger(part) && part > 0);
  return whole && name.parts.reduce((sum, [, part]) => sum + part, 0) === rows;
}

/** Queries, keys and values of one matrix, by what stands before and after their letter. */
export const queryKeyValue = ({ dims }: Weight, before: string, after: string): DiffusersName => ({
  parts: ['q', 'k', 'v'].map((letter) => [`${before}${letter}${after}`, dims[0]! / 3] as const),
});

/** The ending of a weight's name, with its dot. */
export const kindOf = (name: string): string => /\.(weight|bias)$/.exec(name)?.[0] ?? '';
