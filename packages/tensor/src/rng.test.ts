import { expect, test } from 'vitest';
import { InvalidArgumentError } from './errors.ts';
import type { drawDtypes } from './random-source.ts';
import { createRng, type RngKind, rngKinds } from './rng.ts';

const torch = (seed: number | bigint) => createRng({ kind: 'torch-cpu', seed });

// torch 2.13 on a CPU with AVX2: torch.randn(17, generator=torch.Generator().manual_seed(0)).tolist()
test('normals of seed 0 are torch.randn bit for bit, the block of the last 16 included', () => {
  expect([...torch(0).normal([17]).data]).toEqual([
    -1.1258398294448853, -1.6959311962127686, 0.5666506290435791, 0.7935083508491516, 0.5988394618034363,
    -1.5550950765609741, -0.3413603901863098, 1.85300612449646, 0.46809640526771545, -0.5854975581169128,
    -0.1733967512845993, 0.18347793817520142, 1.3893661499023438, 1.586334228515625, 0.946298360824585,
    -0.843676745891571, 0.9318265914916992,
  ]);
});

// torch.rand(2, generator=torch.Generator().manual_seed(seed)).tolist()
test('a negative seed is its two’s complement, of which torch’s CPU uses the low 32 bits', () => {
  for (const seed of [-1, 2 ** 32 - 1, 2n ** 64n - 1n]) {
    expect([...torch(seed).uniform([2]).data]).toEqual([0.9937993884086609, 0.5713063478469849]);
  }
});

// dtype=torch.bfloat16, seed 3: torch.randn(3), torch.rand(3), torch.randn(20)[-5:]
test('bfloat16 draws are torch’s', () => {
  expect([...torch(3).normal([3], 'bfloat16').data]).toEqual([0.8046875, 0.1748046875, 0.0888671875]);
  expect([...torch(3).uniform([3], 'bfloat16').data]).toEqual([0.0042724609375, 0.10546875, 0.28515625]);
  expect([...torch(3).normal([20], 'bfloat16').data].slice(-5)).toEqual([
    -1.1953125, 0.99609375, 0.458984375, 2.4375, -0.146484375,
  ]);
});

test('the second normal of a pair waits through larger draws and draws of other kinds', () => {
  const rng = torch(7);
  const [first, second] = torch(7).normal([2], 'float64').data;
  expect(rng.normal([1], 'float64').data[0]).toBe(first);
  rng.normal([16]);
  rng.uniform([3]);
  expect(rng.normal([1], 'float64').data[0]).toBe(second);
});

// The docstring of A1111's modules/rng_philox.py: Generator(0).randn((3, 4)) and the GPU's torch.randn.
test('CUDA’s normals of seed 0 are the published ones', () => {
  const published = [
    -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
    -1.07454231, -0.36314407, -1.67105067, 2.26550497,
  ];
  const { data, dims } = createRng({ kind: 'torch-cuda', seed: 0 }).normal([3, 4]);
  expect(dims).toEqual([3, 4]);
  for (const [i, value] of published.entries()) expect(Math.abs(data[i]! - value)).toBeLessThan(5e-7);
});

test('CUDA’s generator has no permutation and says which one has', () => {
  const { permutation } = createRng({ kind: 'torch-cuda', seed: 0 });
  expect(() => permutation(3)).toThrow(InvalidArgumentError);
  expect(() => permutation(3)).toThrow(
    'rng.permutation: "torch-cuda" has none, because a GPU sorts random keys for it. Use "torch-cpu".',
  );
});

// numpy 2.4, r = np.random.RandomState(seed): r.standard_normal(3), r.random_sample(2), r.randint(0, 1000, 4),
// r.randint(-2**63, 2**63 - 1, 2, dtype=np.int64), r.permutation(6)
test.each([
  [
    0,
    [1.764052345967664, 0.4001572083672233, 0.9787379841057392],
    [0.4236547993389047, 0.6458941130666561],
    [804n, 599n, 70n, 472n],
    [8553068346248842636n, -2150124423770258751n],
    [5n, 2n, 3n, 4n, 1n, 0n],
  ],
  [
    5,
    [0.44122748688504143, -0.33087015189408764, 2.43077118700778],
    [0.7659078564803156, 0.5184179878729432],
    [519n, 204n, 911n, 113n],
    [-7733958512039759897n, 4398447080453503003n],
    [5n, 0n, 2n, 1n, 3n, 4n],
  ],
])('seed %i gives the numbers of NumPy’s RandomState', (seed, normals, uniforms, integers, wide, order) => {
  const rng = createRng({ kind: 'numpy', seed });
  for (const [i, value] of rng.normal([3], 'float64').data.entries())
    expect(value).toBeCloseTo(normals[i]!, 14);
  expect([...rng.uniform([2], 'float64').data]).toEqual(uniforms);
  expect([...rng.integers(0, 1000, [4]).data]).toEqual(integers);
  expect([...rng.integers(-(2n ** 63n), 2n ** 63n - 1n, [2]).data]).toEqual(wide);
  expect([...rng.permutation(6).data]).toEqual(order);
});

// numpy 2.4, r = np.random.default_rng(seed): r.standard_normal(3), r.random(2), r.integers(0, 1000, 5),
// r.integers(-2**62, 2**62, 2), r.permutation(6)
test.each([
  [
    0,
    [0.1257302210933933, -0.1321048632913019, 0.6404226504432821],
    [0.016527635528529094, 0.8132702392002724],
    [649n, 912n, 503n, 606n, 970n],
    [402369526390210527n, 4012834827570733046n],
    [2n, 1n, 3n, 5n, 0n, 4n],
  ],
  [
    5,
    [-0.8019314252534474, -1.324358995628145, -0.24836162209524854],
    [0.2858013800881416, 0.053930702381656426],
    [277n, 383n, 571n, 408n, 131n],
    [-4161975512725371558n, 4604087021156981832n],
    [2n, 1n, 4n, 3n, 0n, 5n],
  ],
])('seed %i gives the numbers of NumPy’s default_rng', (seed, normals, uniforms, integers, wide, order) => {
  const rng = createRng({ kind: 'numpy-pcg64', seed });
  expect([...rng.normal([3], 'float64').data]).toEqual(normals);
  expect([...rng.uniform([2], 'float64').data]).toEqual(uniforms);
  expect([...rng.integers(0, 1000, [5]).data]).toEqual(integers);
  expect([...rng.integers(-(2n ** 62n), 2n ** 62n, [2]).data]).toEqual(wide);
  expect([...rng.permutation(6).data]).toEqual(order);
});

// np.random.default_rng(755).standard_normal(8): the first is from the tail
test('a draw from the tail of the ziggurat is NumPy’s', () => {
  const [tail, next] = createRng({ kind: 'numpy-pcg64', seed: 755 }).normal([2], 'float64').data;
  expect(tail).toBeCloseTo(-4.38237508460643, 13);
  expect(next).toBe(0.7729502847855024);
});

for (const kind of rngKinds) {
  test(`${kind}: normals have mean 0 and variance 1, uniforms lie in [0, 1)`, () => {
    const rng = createRng({ kind, seed: 1 });
    const normals = rng.normal([100, 100]);
    expect(normals.dims).toEqual([100, 100]);
    let sum = 0;
    let squares = 0;
    for (const value of normals.data) {
      sum += value;
      squares += value * value;
    }
    // Four standard deviations of the mean and of the mean square of 10,000 draws.
    expect(Math.abs(sum / 1e4)).toBeLessThan(0.04);
    expect(Math.abs(squares / 1e4 - 1)).toBeLessThan(4 * Math.sqrt(2 / 1e4));
    const uniforms = rng.uniform([10_000]).data;
    expect(Math.min(...uniforms)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniforms)).toBeLessThan(1);
  });

  test(`${kind}: integers reach both ends of their range and nothing else`, () => {
    const drawn = createRng({ kind, seed: 1 }).integers(-2, 3, [300]).data;
    expect([...new Set(drawn)].sort((a, b) => Number(a - b))).toEqual([-2n, -1n, 0n, 1n, 2n]);
    expect([...createRng({ kind, seed: 1 }).integers(7, 8, [3]).data]).toEqual([7n, 7n, 7n]);
  });

  test(`${kind}: 0 is a seed, seeds differ, a seed repeats, and a draw of nothing changes nothing`, () => {
    const draw = (seed: number) => [...createRng({ kind, seed }).normal([20]).data];
    expect(draw(0)).toEqual(draw(0));
    expect(draw(0)).not.toEqual(draw(1));
    const rng = createRng({ kind, seed: 0 });
    expect(rng.normal([0, 4]).data.length).toBe(0);
    expect(rng.uniform([0]).data.length).toBe(0);
    expect([...rng.normal([20]).data]).toEqual(draw(0));
  });

  test(`${kind}: float64 comes as float64, the other types rounded to their own digits`, () => {
    const draw = (dtype: (typeof drawDtypes)[number]) => createRng({ kind, seed: 2 }).normal([4], dtype);
    expect(draw('float64').data).toBeInstanceOf(Float64Array);
    for (const [dtype, digits] of [
      ['float16', 11],
      ['bfloat16', 8],
    ] as const) {
      const { data } = draw(dtype);
      expect(data).toBeInstanceOf(Float32Array);
      for (const value of data) {
        const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - digits + 1);
        expect(Number.isInteger(value / unit)).toBe(true);
      }
    }
  });
}

const refused: [kind: RngKind, seed: number | bigint, text: string][] = [
  [
    'torch-cpu',
    0.5,
    'createRng: seed is 0.5, which is not an exact integer. Give an integer, as a bigint above 2^53.',
  ],
  ['torch-cpu', 2 ** 53, 'createRng: seed is 9007199254740992, which is not an exact integer.'],
  ['torch-cuda', Number.NaN, 'createRng: seed is NaN, which is not an exact integer.'],
  [
    'torch-cpu',
    2n ** 64n,
    'createRng: seed is 18446744073709551616, "torch-cpu" takes -9223372036854775808 to 18446744073709551615. Give a seed in that range.',
  ],
  ['numpy', -1, 'createRng: seed is -1, "numpy" takes 0 to 4294967295. Give a seed in that range.'],
  ['numpy', 2 ** 32, '"numpy" takes 0 to 4294967295.'],
  ['numpy-pcg64', -1, '"numpy-pcg64" takes 0 to'],
  // What a caller without types may ask for.
  ['jax' as RngKind, 0, 'createRng: kind is "jax". Give one of torch-cpu, torch-cuda, numpy, numpy-pcg64.'],
];

for (const [kind, seed, text] of refused) {
  test(`seed ${seed} of ${kind} is refused with the reason`, () => {
    expect(() => createRng({ kind, seed })).toThrow(InvalidArgumentError);
    expect(() => createRng({ kind, seed })).toThrow(text);
  });
}

test('ranges without integers, negative dims and unknown types are refused', () => {
  const rng = torch(0);
  expect(() => rng.integers(3, 3, [1])).toThrow(
    'rng.integers: the range 3 to 3 holds no 64-bit integers. Give low < high, both within 64 bits.',
  );
  expect(() => rng.integers(0, 2n ** 63n + 1n, [1])).toThrow(InvalidArgumentError);
  expect(() => rng.integers(0.5, 3, [1])).toThrow('rng.integers: low is 0.5, which is not an exact integer.');
  expect(() => rng.normal([2, -1])).toThrow('rng: dims are [2, -1]. Give integers that are not negative.');
  expect(() => rng.permutation(-1)).toThrow(InvalidArgumentError);
  // What a caller without types may ask for.
  expect(() => rng.normal([1], 'float8' as 'float16')).toThrow(
    'rng: dtype is "float8". Give one of float32, float64, float16, bfloat16.',
  );
});
