import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { hostWorkspace } from './workspace.ts';

test('on the host a tensor is read as it is, and outlives the workspace', async () => {
  const x = hostWorkspace.ops.combine([2, tensor([1, 2], [2])]);
  expect(await hostWorkspace.read(x)).toBe(x);
  hostWorkspace.release(x);
  hostWorkspace.dispose();
  expect([...x.data]).toEqual([2, 4]);
});

test('what is no finite number is counted', async () => {
  const x = tensor([1, Number.NaN, Number.POSITIVE_INFINITY, -0, Number.NEGATIVE_INFINITY, 1e38], [2, 3]);
  expect(await hostWorkspace.countNonFinite(x)).toBe(3);
});
