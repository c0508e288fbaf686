// Integrals of a polynomial times an exponential, of which the weights of exponential integrators are made.

/**
 * ∫ e^(rate · u) u^power du over [-h, 0].
 * @param rate not 0
 * @param h finite; below 0 the integral goes from -h down to 0
 */
export function exponentialIntegral(rate: number, power: number, h: number): number {
  let integral = -Math.expm1(-rate * h) / rate;
  for (let k = 1; k <= power; k++) integral = -((-h) ** k * Math.exp(-rate * h) + k * integral) / rate;
  return integral;
}
