// Cephes' single-precision logarithm, sine and cosine (Moshier 1992), rounded as torch's AVX2 build rounds them.

const round = Math.fround;

/** a·b + c rounded once, as the processor's fused instruction: the product of two float32 is exact in float64. */
const fma = (a: number, b: number, c: number) => round(a * b + c);

/** Polynomial in `x`, highest power first, by Horner's rule. */
function polynomial(x: number, coefficients: Float32Array): number {
  let sum = coefficients[0]!;
  for (let i = 1; i < coefficients.length; i++) sum = fma(sum, x, coefficients[i]!);
  return sum;
}

const floatView = new Float32Array(1);
const bitsView = new Int32Array(floatView.buffer);

const sqrtHalf = round(Math.SQRT1_2);
// ln 2 in two parts: the first has few bits, so that its product with an exponent is exact.
const ln2High = round(0.693359375);
const ln2Low = round(-2.1219444e-4);
const logCoefficients = Float32Array.of(
  7.0376836292e-2,
  -1.151461031e-1,
  1.167699874e-1,
  -1.2420140846e-1,
  1.4249322787e-1,
  -1.6668057665e-1,
  2.0000714765e-1,
  -2.4999993993e-1,
  3.3333331174e-1,
);

/** The natural logarithm of a positive, normal float32. */
export function logFloat32(x: number): number {
  // x = mantissa · 2^exponent, the mantissa in [√½, √2), less 1.
  floatView[0] = x;
  let exponent = (bitsView[0]! >>> 23) - 126;
  bitsView[0] = (bitsView[0]! & 0x7fffff) | 0x3f000000;
  let mantissa = floatView[0];
  if (mantissa < sqrtHalf) {
    exponent -= 1;
    mantissa = round(round(mantissa - 1) + mantissa);
  } else {
    mantissa = round(mantissa - 1);
  }
  const square = round(mantissa * mantissa);
  const cubic = round(polynomial(mantissa, logCoefficients) * mantissa);
  const tail = round(fma(cubic, square, round(exponent * ln2Low)) - 0.5 * square);
  return round(round(mantissa + tail) + exponent * ln2High);
}

const fourOverPi = round(4 / Math.PI);
// π/4 in three parts of few bits, negated.
const quarterPi = Float32Array.of(-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8);
const sinCoefficients = Float32Array.of(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1);
const cosCoefficients = Float32Array.of(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2);

/** The even number of eighths of a turn that lies nearest to a positive angle. */
const nearestOctant = (angle: number) => (Math.trunc(round(angle * fourOverPi)) + 1) & ~1;

/** What is left of the angle, in [-π/4, π/4]. */
function remainder(angle: number, octant: number): number {
  const [high, middle, low] = quarterPi;
  return fma(octant, low!, fma(octant, middle!, fma(octant, high!, angle)));
}

function sinPolynomial(x: number): number {
  const square = round(x * x);
  return fma(round(polynomial(square, sinCoefficients) * square), x, x);
}

function cosPolynomial(x: number): number {
  const square = round(x * x);
  const quartic = round(polynomial(square, cosCoefficients) * square);
  return round(fma(quartic, square, -0.5 * square) + 1);
}

/** The sine of a float32 angle in [0, 8192) radians. */
export function sinFloat32(angle: number): number {
  const octant = nearestOctant(angle);
  const x = remainder(angle, octant);
  const sine = octant & 2 ? cosPolynomial(x) : sinPolynomial(x);
  return octant & 4 ? -sine : sine;
}

/** The cosine of a float32 angle in [0, 8192) radians. */
export function cosFloat32(angle: number): number {
  const octant = nearestOctant(angle);
  const x = remainder(angle, octant);
  const cosine = octant & 2 ? sinPolynomial(x) : cosPolynomial(x);
  return (octant + 2) & 4 ? -cosine : cosine;
}
