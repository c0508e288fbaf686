import { expect, test } from 'vitest';
import { formatBytes } from './memory.ts';

test('bytes are said in the unit that suits', () => {
  expect([400_000, 87_600_000, 1_250_000_000].map(formatBytes)).toEqual(['0 MB', '88 MB', '1.3 GB']);
});
