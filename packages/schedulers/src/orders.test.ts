/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { orders } from './testing/orders.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

for (const { name, order, measure } of orders) {
  test(`${name} is of order ${order}: halving the steps divides its error by ${2 ** order}`, () => {
    expect(Math.abs(measure(512) - order)).toBeLessThan(0.15);
  });

  test(`the README has the order of ${name}`, () => {
    expect(readme).toMatch(new RegExp(`^\\| ${name} +\\| ${order} +\\|`, 'm'));
  });
}
