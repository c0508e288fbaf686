// Whether a device's fused attention can be trusted: some drivers compute it wrongly and say nothing.
import { GraphBuilder, type Model, type Value } from '@emulsion/onnx';
import { createRng, type Tensor } from '@emulsion/tensor';
import type { Device, Dialect } from './device.ts';
import { DeviceLostError } from './errors.ts';

/** The form of attention that a device is right with, and why, in a sentence. */
export interface AttentionSelfTest {
  readonly attention: Dialect['attention'];
  readonly note: string;
}

// A sequence that is long enough for the kernel that goes wrong, with Stable Diffusion 1's width of a head and its
// number of text tokens.
const queries = 64;
const textTokens = 77;
const heads = 2;
const width = 40;
const channels = heads * width;

/** Largest difference of two right answers: that of sums in float32, in another order. */
const tolerance = 1e-3;

/** Attention to the sequence itself and to a text, each fused and decomposed. */
function selfTestGraph(): Model {
  const g = new GraphBuilder('attention self-test');
  const query = g.input('query', 'float32', [1, queries, channels]);
  const split = (x: Value, perm: readonly number[]) =>
    g.op('Transpose', [g.op('Reshape', [x, g.ints(0, 0, heads, width)])], { perm });
  for (const [name, tokens] of [
    ['self', queries],
    ['cross', textTokens],
  ] as const) {
    const key = g.input(`${name}_key`, 'float32', [1, tokens, channels]);
    const value = g.input(`${name}_value`, 'float32', [1, tokens, channels]);
    const fused = { domain: 'com.microsoft' };
    g.output(`${name}_fused`, g.op('MultiHeadAttention', [query, key, value], { num_heads: heads }, fused));
    const scaled = g.op('Mul', [split(query, [0, 2, 1, 3]), g.scalar(1 / Math.sqrt(width))]);
    const scores = g.op('Softmax', [g.op('MatMul', [scaled, split(key, [0, 2, 3, 1])])], { axis: -1 });
    const mixed = g.op('MatMul', [scores, split(value, [0, 2, 1, 3])]);
    const joined = g.op('Transpose', [mixed], { perm: [0, 2, 1, 3] });
    g.output(`${name}_decomposed`, g.op('Reshape', [joined, g.ints(0, 0, channels)]));
  }
  return g.build();
}

/** The largest difference; infinite where one of two elements is no number. */
function worstDifference(a: Tensor, b: Tensor): number {
  return a.data.reduce((worst, value, i) => {
    const difference = Math.abs(value - b.data[i]!);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }, 0);
}

/**
 * Computes the same attention in both forms on the device. Takes as long as compiling the kernels does; a device's
 * answer is worth remembering.
 * @returns the fused form if both agree, else the decomposed one, which is made of kernels that everything relies on
 * @throws {DeviceLostError} if the device went away during the test
 */
export async function testAttention(device: Pick<Device, 'createSession'>): Promise<AttentionSelfTest> {
  const rng = createRng({ kind: 'torch-cpu', seed: 0 });
  try {
    const session = await device.createSession(selfTestGraph());
    const outputs = await session.run({
      query: rng.normal([1, queries, channels]),
      self_key: rng.normal([1, queries, channels]),
      self_value: rng.normal([1, queries, channels]),
      cross_key: rng.normal([1, textTokens, channels]),
      cross_value: rng.normal([1, textTokens, channels]),
    });
    await session.dispose();
    const worst = Math.max(
      worstDifference(outputs.self_fused!, outputs.self_decomposed!),
      worstDifference(outputs.cross_fused!, outputs.cross_decomposed!),
    );
    return worst <= tolerance
      ? { attention: 'fused', note: `Fused attention is right to ${worst.toExponential(0)}.` }
      : {
          attention: 'decomposed',
          note: `Attention is decomposed: the driver's fused kernel was off by ${worst.toPrecision(1)}.`,
        };
  } catch (error) {
    // This says nothing of the kernel.
    if (DeviceLostError.is(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    return { attention: 'decomposed', note: `Attention is decomposed: the fused kernel failed (${reason}).` };
  }
}
