import { createRng, type DrawDType, philox4x32, type Rng, sizeOf, type Words4 } from '@emulsion/tensor';
import { assertClose, type Numbers, type Tolerance } from './assert-close.ts';
import type { CaseJson, GoldenCase } from './golden-area.ts';
import { testArea } from './test-area.ts';

interface Draw {
  readonly op: string;
  readonly array: string;
  readonly dtype?: DrawDType;
  readonly shape?: readonly number[];
  readonly n?: number;
  readonly low?: string;
  readonly high?: string;
}

interface RngCase extends CaseJson, Draw {
  readonly seed: string;
  readonly ops?: readonly Draw[];
  /** Known answers of Philox. */
  readonly vectors?: readonly { counter: Words4; key: [number, number]; out: Words4 }[];
  /** Numbers that someone published, and how many digits they gave. */
  readonly values?: readonly number[];
  readonly atol?: number;
}

await testArea<RngCase>('rng', {
  traits: ({ op }) => [{ kind: op }],
  check(golden, { index }) {
    const { op, seed, ops } = golden.json;
    if (op === 'philox4x32_10') return () => checkWords(golden.json.vectors!);
    if (op === 'philox_randn_published') return () => checkPublished(golden.json);
    const kind = op === 'philox_sequence' ? 'torch-cuda' : 'torch-cpu';
    // The index gives an absolute tolerance for each operation.
    const tolerances = index.tolerance as Readonly<Record<string, number>>;
    return async () => {
      const rng = createRng({ kind, seed: BigInt(seed) });
      for (const draw of ops ?? [golden.json]) await checkDraw(golden, rng, draw, tolerances);
    };
  },
});

function checkWords(vectors: NonNullable<RngCase['vectors']>): void {
  for (const { counter, key, out } of vectors) {
    assertClose('words', list(philox4x32(counter, key)), list(out), { atol: 0, rtol: 0 });
  }
}

function checkPublished({ id, seed, shape, values, atol }: RngCase): void {
  const drawn = createRng({ kind: 'torch-cuda', seed: BigInt(seed) }).normal(shape!);
  assertClose(id, drawn, { dims: shape!, data: values! }, { atol: atol!, rtol: 0 });
}

const list = (data: readonly number[]): Numbers => ({ dims: [data.length], data });

async function checkDraw(
  golden: GoldenCase<RngCase>,
  rng: Rng,
  draw: Draw,
  tolerances: Readonly<Record<string, number>>,
): Promise<void> {
  const expected = await golden.array(draw.array);
  assertClose(draw.array, perform(rng, draw), expected, tolerance(draw, golden.json.op, tolerances));
}

function perform(rng: Rng, { op, dtype, shape, n, low, high }: Draw): Numbers {
  const dims = shape ?? [n!];
  switch (op) {
    case 'randn':
      return rng.normal(dims, dtype);
    case 'rand':
      return rng.uniform(dims, dtype);
    case 'randint':
      return rng.integers(BigInt(low!), BigInt(high!), dims);
    case 'randperm':
      return rng.permutation(dims[0]!);
    default:
      throw new Error(`golden: there is no draw "${op}". Teach rng.test.ts to make it.`);
  }
}

function tolerance(
  { op, dtype, shape, n }: Draw,
  caseOp: string,
  tolerances: Readonly<Record<string, number>>,
): Tolerance {
  if (caseOp === 'philox_sequence') return { atol: tolerances.philox!, rtol: 0 };
  if (op !== 'randn') return { atol: tolerances[op]!, rtol: 0 };
  if (dtype === 'float64') return { atol: tolerances.randn_float64!, rtol: 0 };
  if (sizeOf(shape ?? [n!]) < 16) return { atol: tolerances.randn_float32_lt16!, rtol: 0 };
  // A float16 that the tolerance of its float32 carries over a tie moves by its last place.
  return { atol: tolerances.randn_float32_ge16!, rtol: dtype === 'float16' ? 2 ** -10 : 0 };
}
