// A guidance scale is a number.
import { InvalidArgumentError } from '@emulsion/tensor';

/** @throws {InvalidArgumentError} if the scale is not finite */
export function assertScale(name: string, scale: number, usual: number): void {
  if (Number.isFinite(scale)) return;
  throw new InvalidArgumentError(
    `${name} is ${scale}. Give a finite number; 1 is no guidance, ${usual} a usual one.`,
  );
}
