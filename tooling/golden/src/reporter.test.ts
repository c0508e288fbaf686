import { expect, test } from 'vitest';
import { type GoldenResult, goldenReport } from './reporter.ts';

const result = (changes: Partial<GoldenResult>): GoldenResult => ({
  area: 'rng',
  kind: 'randn',
  name: 'a case',
  outcome: 'passed',
  ...changes,
});

test('cases are counted by area and kind, and the unsupported ones named', () => {
  const report = goldenReport([
    result({ area: 'models', kind: 'unet', outcome: 'failed' }),
    result({}),
    result({}),
    result({ area: 'models', kind: 'train', name: 'sd1 train', outcome: 'skipped', unsupported: 'later' }),
    result({ area: 'models', kind: 'unet' }),
  ]);
  expect(report).toEqual([
    'unsupported: models train sd1 train (later)',
    '',
    'golden  kind   passed  failed  unsupported',
    'rng     randn       2       0            0',
    'models  unet        1       1            0',
    'models  train       0       0            1',
    'all                 3       1            1',
    '',
  ]);
});

test('a run without golden cases has no table', () => {
  expect(goldenReport([])).toEqual([]);
});
