// Evenly spaced numbers, with the roundings of NumPy and of torch.

/** `steps` numbers from `start` to `end`, both included, in float64, as NumPy's `linspace`. */
export function linspace(start: number, end: number, steps: number): number[] {
  const step = (end - start) / (steps - 1);
  return Array.from({ length: steps }, (_, i) =>
    i > 0 && i === steps - 1 ? end : i === 0 ? start : i * step + start,
  );
}

/** The same in float32, bit-equal with `torch.linspace`: from either end to the middle, each value rounded once. */
export function linspaceFloat32(start: number, end: number, steps: number): Float32Array {
  const [low, high] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround(Math.fround(high - low) / (steps - 1));
  const half = Math.floor(steps / 2);
  return Float32Array.from({ length: steps }, (_, i) =>
    i < half || steps === 1 ? low + (i === 0 ? 0 : step * i) : high - step * (steps - 1 - i),
  );
}
