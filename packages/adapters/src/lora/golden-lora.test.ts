import { openWeights, readJson } from '@emulsion/checkpoints';
import { openFixture } from '@emulsion/testing';
import { expect, test } from 'vitest';
import { modulesOf } from '../model-modules.ts';
import { loadLora } from './load-lora.ts';

const adapters = await openFixture('golden/open/adapters');
const sd1 = await openFixture('golden/open/models/sd1');
const model = {
  unet: modulesOf(await openWeights(sd1.subfolder('unet'))),
  textEncoder: modulesOf(await openWeights(sd1.subfolder('text_encoder'))),
};

interface LoraCase {
  readonly id: string;
  readonly kind: string;
  readonly lora_file?: string;
  readonly rank?: number;
}

// The index is a fixture of known form.
const index = (await readJson(adapters, 'index.json')) as { readonly cases: readonly LoraCase[] };
const cases = index.cases.filter(({ kind }) => kind === 'lora');

test.each(cases)('every tensor of $id changes a module of the model', async ({ lora_file, rank }) => {
  const { changes, report } = await loadLora(adapters, lora_file!, { model });
  expect(report.unmatched).toEqual([]);
  expect(report.unused).toEqual([]);
  expect(report.warning).toBeUndefined();
  expect(report.ranks).toEqual([rank]);
  expect(report.algorithms).toEqual(['lora']);
  expect(report.targets).toHaveLength(changes.length);
  expect(changes.length).toBeGreaterThan(0);
  for (const { component, module, weight } of changes) {
    const dims = (model as Record<string, ReadonlyMap<string, readonly number[]>>)[component]!.get(module)!;
    if (weight?.form !== 'low-rank') throw new Error('the files have products alone');
    expect(weight.down.dims).toEqual([rank, ...dims.slice(1)]);
    expect(weight.up.dims).toEqual([dims[0], rank, ...dims.slice(2).map(() => 1)]);
  }
});

test('there are cases', () => expect(cases).toHaveLength(5));
