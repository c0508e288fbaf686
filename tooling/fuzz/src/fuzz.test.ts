import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';
import { mutate } from './mutate.ts';
import { openTargets } from './targets.ts';

test.each(await openTargets())(
  'damaged copies of $name open soundly or are refused with a reason',
  async (target) => {
    const count = 1000;
    const { opened, refused, slowest } = await fuzz(target, 0, count);
    expect(opened + refused).toBe(count);
    expect(refused).toBeGreaterThan(count / 10);
    // What holds a call to a function of the system is refused as it is, and rarely opens when it is damaged.
    if (!target.name.includes('hostile')) expect(opened).toBeGreaterThan(count / 200);
    expect(slowest).toBeLessThan(5000);
    expect(existsSync('hostile-was-run')).toBe(false);
  },
);

test('a copy is the same each time, and another one differs', async () => {
  const [{ file, hot, kind }] = (await openTargets()) as [Awaited<ReturnType<typeof openTargets>>[0]];
  expect(mutate(file, 7, hot, kind)).toEqual(mutate(file, 7, hot, kind));
  expect(mutate(file, 8, hot, kind)).not.toEqual(mutate(file, 7, hot, kind));
});
