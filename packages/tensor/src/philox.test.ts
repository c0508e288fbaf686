import { expect, test } from 'vitest';
import { philox4x32, type Words4 } from './philox.ts';

// The known answers of Random123, its file kat_vectors.
const known: [counter: Words4, key: [number, number], words: Words4][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

for (const [counter, key, words] of known) {
  test(`counter ${counter.join(' ')} and key ${key.join(' ')} give Random123's words`, () => {
    expect(philox4x32(counter, key)).toEqual(words);
  });
}
