import { expect, test } from 'vitest';
import { chooseLeaving } from './choose-leaving.ts';

const [text, encoder, network, decoder] = [
  { stage: 0, bytes: 5 },
  { stage: 1, bytes: 2 },
  { stage: 2, bytes: 30 },
  { stage: 3, bytes: 4 },
];

test('what was just done leaves before what comes soon', () => {
  const shortage = { bytes: 10, stages: 4 };
  expect(chooseLeaving([text, encoder, network], { ...shortage, stage: 3 })).toEqual([network]);
  expect(chooseLeaving([text, encoder, decoder], { ...shortage, bytes: 6, stage: 2 })).toEqual([
    encoder,
    text,
  ]);
  expect(chooseLeaving([text, network, decoder], { ...shortage, bytes: 1, stage: 0 })).toEqual([decoder]);
});

test('nothing leaves whose room is not needed', () => {
  expect(chooseLeaving([text, network], { bytes: 0, stage: 3, stages: 4 })).toEqual([]);
  // The network alone makes more room than text and encoder together.
  expect(chooseLeaving([text, encoder, network], { bytes: 30, stage: 3, stages: 4 })).toEqual([network]);
  expect(chooseLeaving([encoder, network, text], { bytes: 9, stage: 2, stages: 4 })).toEqual([network]);
});

test('if all of them are not enough, all leave', () => {
  expect(chooseLeaving([text, decoder], { bytes: 100, stage: 2, stages: 4 })).toHaveLength(2);
});
