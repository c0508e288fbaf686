import { expect, test } from 'vitest';
import { Mt19937 } from './mt19937.ts';

test('the 10000th word of seed 5489 is the one that the C++ standard states', () => {
  const words = new Mt19937(5489);
  let word = words.nextUint32();
  expect(word).toBe(3499211612);
  for (let i = 1; i < 10_000; i++) word = words.nextUint32();
  expect(word).toBe(4123659995);
});

test('only the low 32 bits of the seed count', () => {
  expect(new Mt19937(2 ** 32 + 5).nextUint32()).toBe(new Mt19937(5).nextUint32());
});

test('two words make a long one, the first on top', () => {
  const words = new Mt19937(5489);
  expect(words.nextUint64()).toBe((3499211612n << 32n) | 581869302n);
});
