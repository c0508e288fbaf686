// The values of many weights: what lies together in a file is read together.
import type { Tensor } from '@emulsion/tensor';
import type { Folder } from './folder.ts';
import { tensorOver } from './read-tensor.ts';
import type { Weight } from './weight.ts';

/** The most bytes that are read at once, but for a tensor that is longer. */
const maxStretch = 16 * 2 ** 20;
/** Bytes between two weights that are rather read and dropped than left out. */
const maxGap = 2 ** 16;

/**
 * The values of weights as float32 tensors, as `readTensor` gives them, in the order in which they lie in their files;
 * those of 16 bits are a `HalfTensor`, over the bytes that were read. No more than 16 MiB of a file are read at a time,
 * unless one tensor is larger.
 * @param folder the folder that the weights were opened from
 * @throws {MissingFileError} if a file has gone since
 */
export async function* readTensors(
  folder: Folder,
  weights: Iterable<Weight>,
): AsyncGenerator<readonly [weight: Weight, values: Tensor]> {
  const stored: Weight[] = [];
  for (const weight of weights) {
    const { file, offset, length } = weight.range;
    if (file.kind !== 'bytes') stored.push(weight);
    else yield [weight, tensorOver(weight, file.bytes.subarray(offset, offset + length))];
  }
  for (const { first, length, members } of stretchesOf(stored)) {
    const { offset } = first.range;
    const bytes = await folder.read(first.path, { offset, length });
    for (const weight of members) {
      const start = weight.range.offset - offset;
      yield [weight, tensorOver(weight, bytes.subarray(start, start + weight.range.length))];
    }
  }
}

/** Weights of one file that are read together. */
interface Stretch {
  readonly first: Weight;
  length: number;
  readonly members: Weight[];
}

function stretchesOf(weights: readonly Weight[]): Stretch[] {
  const stretches: Stretch[] = [];
  const inOrder = weights.toSorted((a, b) =>
    a.path === b.path ? a.range.offset - b.range.offset : a.path < b.path ? -1 : 1,
  );
  for (const weight of inOrder) {
    const last = stretches.at(-1);
    const end = weight.range.offset + weight.range.length;
    if (last && last.first.path === weight.path) {
      const start = last.first.range.offset;
      const length = Math.max(last.length, end - start);
      if (length <= maxStretch && weight.range.offset - (start + last.length) <= maxGap) {
        last.length = length;
        last.members.push(weight);
        continue;
      }
    }
    stretches.push({ first: weight, length: weight.range.length, members: [weight] });
  }
  return stretches;
}
