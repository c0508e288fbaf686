// The logistic function in float32 as torch's vectorized code computes it, with the exponential of SLEEF (1 ulp).

/** a · b + c, rounded once. */
const fma = (a: number, b: number, c: number) => Math.fround(a * b + c);

/** log 2 in two parts of float32, the first of few bits. */
const [log2High, log2Low] = [0.693145751953125, Math.fround(1.428606765330187e-6)];
const reciprocalLog2 = Math.fround(Math.LOG2E);
/** Of e^t, from the seventh power down to the square. */
const coefficients = Float32Array.of(0.00019852762, 0.0013930436, 0.008333361, 0.041666485, 0.16666667, 0.5);

function exp(x: number): number {
  const whole = Math.round(Math.fround(x * reciprocalLog2));
  const t = fma(whole, -log2Low, fma(whole, -log2High, x));
  const polynomial = coefficients.reduce((sum, coefficient) => fma(sum, t, coefficient));
  return Math.fround(1 + fma(Math.fround(t * t), polynomial, t)) * 2 ** whole;
}

/** 1 / (1 + e^-x) of a float32 value, bit-equal with torch on a processor with fused multiplication. */
export function sigmoidFloat32(x: number): number {
  return Math.fround(1 / Math.fround(1 + exp(-x)));
}
