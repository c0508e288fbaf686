// A weighted sum of float32 arrays in WebAssembly with SIMD: four sums in an instruction. The few instructions of the
// module are written here, for each number of terms once.

/** Elements that are summed at a time: few enough for the terms' copies to stay in a fast cache. */
const blockLength = 16384;
const blockBytes = blockLength * Float32Array.BYTES_PER_ELEMENT;
const pageBytes = 65536;

/** Elements that a turn of the kernel's loop sums; an array need not have a multiple of it. */
const turnLength = 8;
const turnBytes = turnLength * Float32Array.BYTES_PER_ELEMENT;
/** Elements that one instruction sums. */
const laneCount = 4;

// WebAssembly core specification 2.0, chapter 5.
const i32 = 0x7f;
const f32 = 0x7d;
const v128 = 0x7b;
const functionType = 0x60;
const [typeSection, functionSection, memorySection, exportSection, codeSection] = [1, 3, 5, 7, 10];
const [exportedFunction, exportedMemory] = [0, 2];

/** An unsigned number in LEB128; no number here is so large that it would be another as a signed one. */
function leb128(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb128(value >>> 7)];
}
const vector = (items: readonly (readonly number[])[]) => [...leb128(items.length), ...items.flat()];
const sized = (content: readonly number[]) => [...leb128(content.length), ...content];
const section = (id: number, content: readonly number[]) => [id, ...sized(content)];
const simd = (opcode: number, ...immediates: number[]) => [0xfd, ...leb128(opcode), ...immediates];

const localGet = (index: number) => [0x20, ...leb128(index)];
const localSet = (index: number) => [0x21, ...leb128(index)];
const localTee = (index: number) => [0x22, ...leb128(index)];
const i32Const = (value: number) => [0x41, ...leb128(value)];
const i32Add = [0x6a];
const i32LessThan = [0x49];
const loop = [0x03, 0x40];
const branchIf = [0x0d, 0];
const end = [0x0b];
/** Where four floats lie from an address on; they are aligned to sixteen bytes (2 ** 4). */
const at = (offset: number) => [4, ...leb128(offset)];
const load = (offset: number) => simd(0x00, ...at(offset)); // v128.load
const store = (offset: number) => simd(0x0b, ...at(offset)); // v128.store
const splat = simd(0x13); // f32x4.splat
const add = simd(0xe4); // f32x4.add
const multiply = simd(0xe6); // f32x4.mul

/**
 * `sum(bytes, weight0, weight1, …)`: the terms lie one block after the other in `memory`, the sum is written over the
 * first. `sumAndScale(bytes, weight0, weight1, …, factor)` writes the sum, times the factor, into the block behind the
 * last term too.
 */
function kernelModule(termCount: number): Uint8Array<ArrayBuffer> {
  const name = (text: string) => sized([...new TextEncoder().encode(text)]);
  const factors = (count: number) => [
    functionType,
    ...vector([[i32], ...Array(count).fill([f32])]),
    ...vector([]),
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d], // the magic number, then the version
    ...[0x01, 0x00, 0x00, 0x00],
    ...section(typeSection, vector([factors(termCount), factors(termCount + 1)])),
    ...section(functionSection, vector([[0], [1]])),
    ...section(
      memorySection,
      vector([[0, ...leb128(Math.ceil(((termCount + 1) * blockBytes) / pageBytes))]]),
    ),
    ...section(
      exportSection,
      vector([
        [...name('sum'), exportedFunction, 0],
        [...name('sumAndScale'), exportedFunction, 1],
        [...name('memory'), exportedMemory, 0],
      ]),
    ),
    ...section(
      codeSection,
      vector([sized(kernelBody(termCount, false)), sized(kernelBody(termCount, true))]),
    ),
  ]);
}

function kernelBody(termCount: number, scales: boolean): number[] {
  const factorCount = termCount + (scales ? 1 : 0);
  const terms = Array.from({ length: termCount }, (_, term) => term);
  const bytes = 0;
  const factor = (index: number) => 1 + index;
  const address = 1 + factorCount;
  const factors = (index: number) => 2 + factorCount + index;
  const sum = 2 + 2 * factorCount;
  const scaledAt = (offset: number) => [
    ...[...localGet(address), ...localGet(sum)],
    ...[...localGet(factors(termCount)), ...multiply, ...store(termCount * blockBytes + offset)],
  ];
  const sumAt = (offset: number) => [
    ...localGet(address),
    ...terms.flatMap((term) => [
      ...localGet(address),
      ...load(term * blockBytes + offset),
      ...localGet(factors(term)),
      ...multiply,
      ...(term === 0 ? [] : add),
    ]),
    ...localTee(sum),
    ...store(offset),
    ...(scales ? scaledAt(offset) : []),
  ];
  const offsets = Array.from(
    { length: turnLength / laneCount },
    (_, i) => (i * turnBytes * laneCount) / turnLength,
  );
  return [
    ...vector([
      [1, i32],
      [...leb128(factorCount + 1), v128],
    ]),
    ...Array.from({ length: factorCount }, (_, index) => [
      ...localGet(factor(index)),
      ...splat,
      ...localSet(factors(index)),
    ]).flat(),
    ...loop,
    ...offsets.flatMap(sumAt),
    ...[...localGet(address), ...i32Const(turnBytes), ...i32Add, ...localTee(address)],
    ...[...localGet(bytes), ...i32LessThan, ...branchIf],
    ...end,
    ...end,
  ];
}

/** A product of a sum that is wanted beside it. */
export interface ScaledSum {
  readonly factor: number;
  /** Where it is written. */
  readonly out: Float32Array;
}

/**
 * Writes `Σ weights[i] · terms[i]` into `out`, which may be one of the terms, and that times a factor beside it; all
 * have one length. Weights, products and sums are float32, summed from the first term on.
 */
export type WeightedSumKernel = (
  out: Float32Array,
  weights: readonly number[],
  terms: readonly Float32Array[],
  scaled?: ScaledSum,
) => void;

/** The kernel for a number of terms, or nothing where WebAssembly or its SIMD instructions are missing or forbidden. */
export function createWeightedSumKernel(termCount: number): WeightedSumKernel | undefined {
  let exported: WebAssembly.Exports;
  try {
    exported = new WebAssembly.Instance(new WebAssembly.Module(kernelModule(termCount))).exports;
  } catch {
    return undefined; // an old browser, or a page whose content security policy forbids it
  }
  // The module above exports these three.
  const sum = exported.sum as (bytes: number, ...weights: number[]) => void;
  const sumAndScale = exported.sumAndScale as typeof sum;
  const { buffer } = exported.memory as WebAssembly.Memory;
  const blocks = Array.from(
    { length: termCount + 1 },
    (_, index) => new Float32Array(buffer, index * blockBytes, blockLength),
  );
  const copyBlock = (from: Float32Array, to: Float32Array, start: number, length: number) =>
    to.set(length === blockLength ? from : from.subarray(0, length), start);
  return (out, weights, terms, scaled) => {
    for (let start = 0; start < out.length; start += blockLength) {
      const length = Math.min(blockLength, out.length - start);
      for (let term = 0; term < termCount; term++) {
        blocks[term]!.set(terms[term]!.subarray(start, start + length));
      }
      const bytes = length * Float32Array.BYTES_PER_ELEMENT;
      if (scaled) {
        sumAndScale(bytes, ...weights, scaled.factor);
        copyBlock(blocks[termCount]!, scaled.out, start, length);
      } else sum(bytes, ...weights);
      copyBlock(blocks[0]!, out, start, length);
    }
  };
}
