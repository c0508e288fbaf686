// From training timesteps to noise levels and back, between the entries of a model's table.

/** The table's value at a timestep, linear between the entries, constant beyond them. */
export function interpolateTable(table: Float32Array, timestep: number): number {
  const last = table.length - 1;
  if (timestep <= 0) return table[0]!;
  if (timestep >= last) return table[last]!;
  const below = Math.floor(timestep);
  const low = table[below]!;
  return (table[below + 1]! - low) * (timestep - below) + low;
}

/** Logarithms of the table, which `timestepOfSigma` takes; float32. */
export function logarithms(sigmas: Float32Array): Float32Array {
  return sigmas.map(Math.log);
}

/**
 * The timestep whose noise level `sigma` is, linear in log sigma between the entries (k-diffusion's `sigma_to_t`).
 * @param logSigmas logarithms of the table, ascending
 */
export function timestepOfSigma(sigma: number, logSigmas: Float32Array): number {
  const logSigma = Math.log(Math.max(sigma, 1e-10));
  let below = 0;
  let above = logSigmas.length - 1;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (logSigmas[middle]! <= logSigma) below = middle;
    else above = middle;
  }
  const low = logSigmas[below]!;
  const share = (low - logSigma) / Math.fround(low - logSigmas[below + 1]!);
  return below + Math.min(Math.max(share, 0), 1);
}
