import { expect, test } from 'vitest';
import { chosenCases } from './chosen-cases.ts';

const cases = [
  { family: 'sd1', kind: 'unet' },
  { family: 'sd1', kind: 'pipeline' },
  { family: 'sd1', kind: 'pipeline' },
  { family: 'sd2', kind: 'pipeline' },
  { family: 'sd2', kind: 'text_encoder' },
  { family: 'sd2', kind: 'unet' },
  { family: 'lcm', kind: 'pipeline' },
  { family: 'lcm', kind: 'pipeline' },
].map((json, place) => ({ place, json: { ...json, id: `${place}` } }));
const chosen = (...families: string[]) => chosenCases(cases, families).map(({ place }) => place);

test('of a family that is named there are all pipelines, of the others one case, rather of a part', () => {
  expect(chosen('sd1')).toEqual([1, 2, 4, 6]);
  expect(chosen('lcm', 'sd2')).toEqual([0, 3, 6, 7]);
  expect(chosen()).toEqual([0, 4, 6]);
});

test('a family without pipelines keeps one case where it is named', () => {
  expect(chosenCases(cases.slice(0, 1), ['sd1'])).toEqual(cases.slice(0, 1));
});
