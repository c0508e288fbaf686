import { expect, test } from 'vitest';
import { untilAborted } from './until-aborted.ts';

const reason = new Error('enough');

test('work that is done before the abort gives its result, or its error', async () => {
  const { signal } = new AbortController();
  expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
  expect(await untilAborted(Promise.resolve(2), undefined)).toBe(2);
  await expect(untilAborted(Promise.reject(reason), signal)).rejects.toBe(reason);
});

test('an abort ends the wait with its reason, before and during the work', async () => {
  const controller = new AbortController();
  const wait = untilAborted(new Promise(() => {}), controller.signal);
  controller.abort(reason);
  await expect(wait).rejects.toBe(reason);
  await expect(untilAborted(Promise.resolve(1), controller.signal)).rejects.toBe(reason);
});

test("work that fails after the abort is nobody's unhandled error", async () => {
  let fail: (error: Error) => void = () => {};
  const work = new Promise<never>((_, reject) => {
    fail = reject;
  });
  await expect(untilAborted(work, AbortSignal.abort(reason))).rejects.toBe(reason);
  fail(new Error('late'));
  await new Promise((resolve) => setTimeout(resolve));
});
