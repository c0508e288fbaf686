// How many layers encoders may skip whose last layer is never used.
import { InvalidArgumentError } from '@emulsion/tensor';
import type { Clip } from './clip.ts';

/** @throws {InvalidArgumentError} if `clipSkip` is not among the layers of each encoder, the last of which is left out anyway */
export function assertSkip(clipSkip: number, clips: readonly Clip[]): void {
  const layers = Math.min(...clips.map(({ textEncoder }) => textEncoder.config.layers));
  if (Number.isInteger(clipSkip) && clipSkip >= 0 && clipSkip <= layers - 2) return;
  throw new InvalidArgumentError(
    `clipSkip is ${clipSkip}; of ${layers} layers the last is never used here. Give an integer from 0 to ${layers - 2}.`,
  );
}
