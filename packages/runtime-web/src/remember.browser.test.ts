import { expect, test } from 'vitest';
import { remember } from './remember.ts';

const isNumber = (value: unknown): value is number => typeof value === 'number';

test('an answer is worked out once, even if it is asked for twice at once', async () => {
  let times = 0;
  const ask = () => remember('once', isNumber, async () => ++times);
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
  expect(await ask()).toBe(1);
});

test('what is stored is used if it is an answer', async () => {
  const cache = await caches.open('emulsion-answers');
  await cache.put('https://emulsion.invalid/stored', new Response('5'));
  await cache.put('https://emulsion.invalid/damaged', new Response('{'));
  await cache.put('https://emulsion.invalid/other', new Response('"five"'));
  const fresh = async () => 7;
  expect(await remember('stored', isNumber, fresh)).toBe(5);
  expect(await remember('damaged', isNumber, fresh)).toBe(7);
  expect(await remember('other', isNumber, fresh)).toBe(7);
  expect(await (await cache.match('https://emulsion.invalid/other'))?.json()).toBe(7);
});

test('a question that could not be answered is asked again', async () => {
  const failure = new Error('not now');
  await expect(remember('later', isNumber, () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await remember('later', isNumber, async () => 3)).toBe(3);
});
