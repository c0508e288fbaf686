// The activations that hypernetworks name: A1111's own names, and PyTorch's classes in lower case.

/** Functions of one number, by the names of PyTorch's classes. */
export const hypernetworkActivations = [
  'celu',
  'elu',
  'gelu',
  'hardshrink',
  'hardsigmoid',
  'hardswish',
  'hardtanh',
  'leakyrelu',
  'logsigmoid',
  'mish',
  'prelu',
  'relu',
  'relu6',
  'rrelu',
  'selu',
  'sigmoid',
  'silu',
  'softplus',
  'softshrink',
  'softsign',
  'tanh',
  'tanhshrink',
] as const;
export type HypernetworkActivation = (typeof hypernetworkActivations)[number];

/**
 * The function that a file means by a name; `null` for none.
 * @returns `undefined` if it is not known
 */
export function resolveActivation(name: string): HypernetworkActivation | null | undefined {
  // `linear` is A1111's name, and `identity` PyTorch's.
  if (name === 'linear' || name === 'identity') return null;
  // A1111 calls Hardswish "swish", which elsewhere is SiLU.
  if (name === 'swish') return 'hardswish';
  return hypernetworkActivations.find((known) => known === name);
}

const clamp = (x: number, least: number, most: number) => Math.min(Math.max(x, least), most);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
/** log(1 + eˣ), without overflow. */
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const elu = (x: number) => (x > 0 ? x : Math.expm1(x));
const leaky = (slope: number) => (x: number) => (x >= 0 ? x : slope * x);

/** SELU's constants (Klambauer et al. 2017). */
const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;
/** The mean of the slopes 1/8 to 1/3, of which training draws one. */
const rreluSlope = (1 / 8 + 1 / 3) / 2;

/** The functions, with PyTorch's defaults for what they have of parameters; `prelu` with its initial slope. */
export const evaluateActivation: { readonly [A in HypernetworkActivation]: (x: number) => number } = {
  celu: elu,
  elu,
  gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  hardshrink: (x) => (Math.abs(x) > 0.5 ? x : 0),
  hardsigmoid: (x) => clamp(x + 3, 0, 6) / 6,
  hardswish: (x) => (x * clamp(x + 3, 0, 6)) / 6,
  hardtanh: (x) => clamp(x, -1, 1),
  leakyrelu: leaky(0.01),
  logsigmoid: (x) => -softplus(-x),
  mish: (x) => x * Math.tanh(softplus(x)),
  prelu: leaky(0.25),
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clamp(x, 0, 6),
  rrelu: leaky(rreluSlope),
  selu: (x) => seluScale * (x > 0 ? x : seluAlpha * Math.expm1(x)),
  sigmoid,
  silu: (x) => x * sigmoid(x),
  softplus,
  softshrink: (x) => x - clamp(x, -0.5, 0.5),
  softsign: (x) => x / (1 + Math.abs(x)),
  tanh: Math.tanh,
  tanhshrink: (x) => x - Math.tanh(x),
};

/** The error function: 2/√π · e^(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!, whose terms all have one sign. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
