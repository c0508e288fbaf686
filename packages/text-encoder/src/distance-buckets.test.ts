import { expect, test } from 'vitest';
import { distanceBuckets } from './distance-buckets.ts';

const t5 = { distanceBuckets: 32, maxDistance: 128 };

test("the buckets change at the distances at which torch's do", () => {
  const { data } = distanceBuckets(600, t5);
  const changes = Array.from({ length: 599 }, (_, i) => i + 1).filter(
    (distance) => data[distance * 600] !== data[(distance - 1) * 600],
  );
  // The formula of transformers, run with torch 2.13 in float32.
  expect(changes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]);
});

test('keys after the query have the second half of the buckets', () => {
  const { dims, data } = distanceBuckets(3, t5);
  expect(dims).toEqual([3, 3]);
  expect([...data]).toEqual([0, 17, 18, 1, 0, 17, 2, 1, 0]);
});
