// What T5's attention knows of positions (Raffel et al. 2020, section 2.1): each distance's bucket.
import { type Tensor, tensor } from '@emulsion/tensor';

export interface DistanceBuckets {
  /** Number of buckets, half of them for keys before the query. */
  readonly distanceBuckets: number;
  readonly maxDistance: number;
}

/**
 * The bucket of each query's distance to each key, `[sequence, sequence]`. Small distances have a bucket each; larger
 * ones share them, logarithmically spaced up to `maxDistance`.
 */
export function distanceBuckets(
  sequence: number,
  { distanceBuckets: count, maxDistance }: DistanceBuckets,
): Tensor<'int32'> {
  const half = Math.floor(count / 2);
  const exact = Math.floor(half / 2);
  const ofDistance = Array.from({ length: sequence }, (_, distance) => {
    if (distance < exact) return distance;
    // Rounded to float32 after each operation, as the reference does: distances lie on the borders.
    const logarithm = Math.fround(Math.log(Math.fround(distance / exact)));
    const share = Math.fround(logarithm / Math.fround(Math.log(maxDistance / exact)));
    return Math.min(exact + Math.floor(Math.fround(share * (half - exact))), half - 1);
  });
  const buckets = new Int32Array(sequence * sequence);
  for (let query = 0; query < sequence; query++) {
    for (let key = 0; key < sequence; key++)
      buckets[query * sequence + key] = ofDistance[Math.abs(key - query)]! + (key > query ? half : 0);
  }
  return tensor(buckets, [sequence, sequence]);
}
