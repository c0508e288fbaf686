// Latents that are not numbers are found where they arise, not in a black picture.
import type { Tensor } from '@emulsion/tensor';
import { NonFiniteError } from './errors.ts';

/** @throws {NonFiniteError} with `origin` in front and `advice` behind, if an element is NaN or infinite */
export function assertFinite({ data }: Tensor, origin: string, advice: string): void {
  let bad = 0;
  for (const value of data) if (!Number.isFinite(value)) bad++;
  assertNone(bad, data.length, origin, advice);
}

/** @throws {NonFiniteError} as `assertFinite`, if of `count` elements a number is bad */
export function assertNone(bad: number, count: number, origin: string, advice: string): void {
  if (bad > 0)
    throw new NonFiniteError(`${origin} ${bad} of ${count} elements that are not finite numbers. ${advice}`);
}
