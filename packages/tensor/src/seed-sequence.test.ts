import { expect, test } from 'vitest';
import { seedSequence } from './seed-sequence.ts';

// numpy 2.4: [int(x) for x in np.random.SeedSequence(seed).generate_state(4)]
test('seed 0 and a seed longer than the pool give the words of NumPy', () => {
  expect([...seedSequence(0n, 4)]).toEqual([2968811710, 3677149159, 745650761, 2884920346]);
  expect([...seedSequence(2n ** 130n + 7n, 4)]).toEqual([1956387801, 4266865393, 498201352, 1035958608]);
});
