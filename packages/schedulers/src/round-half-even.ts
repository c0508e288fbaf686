// Rounding as NumPy and torch do it.

/** The nearest integer; a tie goes to the even one. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const distance = value - below;
  if (distance !== 0.5) return distance < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
