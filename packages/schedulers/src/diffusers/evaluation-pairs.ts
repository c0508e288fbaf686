// Lists of plans whose samplers evaluate twice a step.

/** Entries that stand for both evaluations of a step: all but the first, twice. */
export function twice(values: readonly number[]): number[] {
  return values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
}

/** Undoes `twice`. */
export function once(values: readonly number[]): number[] {
  return values.filter((_, i) => i === 0 || i % 2 === 1);
}
