// Whether a tensor holds numbers alone: many elements are looked at, so they are as little as can be.
import { HalfTensor, type Tensor } from '@emulsion/tensor';

/**
 * The bits of the exponents in a word of 32 bits, all of which NaN and infinities have; the lowest of them; and the bit
 * that the sum of both then carries into.
 */
const exponents = {
  float32: { bits: 0x7f800000, lowest: 0x00800000, carry: 0x80000000 },
  float16: { bits: 0x7c007c00, lowest: 0x04000400, carry: 0x80008000 },
  bfloat16: { bits: 0x7f807f80, lowest: 0x00800080, carry: 0x80008000 },
} as const;

/** Whether no element is NaN or infinite. */
export function allFinite(values: Tensor): boolean {
  const halves = values instanceof HalfTensor ? values.halves : undefined;
  const { bits, lowest, carry } = exponents[halves ? (values as HalfTensor).format : 'float32'];
  const words = wordsOf(halves ?? values.data);
  let carried = 0;
  for (let i = 0; i < words.length; i++) carried |= (words[i]! & bits) + lowest;
  return (carried & carry) === 0;
}

/** Elements as words; copied, with a zero behind them, where they do not lie or end between two. */
function wordsOf(elements: Float32Array | Uint16Array): Int32Array {
  const { buffer, byteOffset, byteLength, length } = elements;
  if (byteOffset % 4 === 0 && byteLength % 4 === 0) return new Int32Array(buffer, byteOffset, byteLength / 4);
  const copy = new Uint16Array(length + (length % 2));
  copy.set(elements);
  return new Int32Array(copy.buffer);
}
