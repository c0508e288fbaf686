// The tests of an area: one for each case of its index.

import { goldenPipelines, goldenUrl } from '@emulsion/testing';
import { expect, test } from 'vitest';
import type { Area } from './areas.ts';
import { chosenCases } from './chosen-cases.ts';
import { type CaseJson, type GoldenArea, type GoldenCase, openArea } from './golden-area.ts';
import { findUnsupported, type Traits, uselessEntries } from './unsupported.ts';

/** Compares what Emulsion gives with what was recorded; throws if they differ. */
export type Check = () => void | Promise<void>;

/** How the cases of an area are tested. */
export interface AreaTests<Json extends CaseJson> {
  /** What a case is about: one test for each element. */
  traits(json: Json): readonly Traits[];
  /** The check of one case, or, if Emulsion cannot do what the case asks for, what it lacks. */
  check(
    golden: GoldenCase<Json>,
    area: GoldenArea<Json>,
    traits: Traits,
  ): Check | string | Promise<Check | string>;
}

/**
 * Declares the tests of an area. A case without a check must stand in the list of what is unsupported, and is skipped;
 * a case with one must not. Call it at the top of a test file, with `await`.
 */
export async function testArea<Json extends CaseJson>(area: Area, tests: AreaTests<Json>): Promise<void> {
  const opened = await openArea<Json>(area);
  test(`the ${area} data has cases, each with a name of its own`, () => {
    const names = opened?.cases.map(({ name }) => name) ?? [`${area} is not in this folder`];
    expect(names).not.toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
  const cases = opened?.cases ?? [];
  // Other folders need not have a case of every kind.
  if (goldenUrl.pathname.endsWith('/fixtures/golden/open/')) {
    test(`what is unsupported of the ${area} data is in it`, () => {
      const allTraits = cases.flatMap(({ json }) => tests.traits(json));
      expect(uselessEntries(area, allTraits)).toEqual([]);
    });
  }
  // Adapters are small cases, each of its own kind: all of them are run everywhere.
  const pipelines = area === 'adapters' ? undefined : goldenPipelines;
  for (const golden of pipelines ? chosenCases(cases, pipelines) : cases) {
    for (const traits of tests.traits(golden.json)) {
      test(`${area} ${traits.kind} ${golden.name}`, async ({ task, skip }) => {
        const meta = { area, kind: traits.kind, name: golden.name };
        task.meta.golden = meta;
        const check = await tests.check(golden, opened!, traits);
        const entry = findUnsupported(area, traits);
        if (typeof check !== 'string') {
          if (!entry) return check();
          throw new Error(
            `golden: this case is supported, but stands in unsupported.ts ("${entry.reason}"). Take the entry out of the list.`,
          );
        }
        if (!entry) {
          throw new Error(
            `golden: ${JSON.stringify({ area, ...traits })} is not supported (${check}), nor in the list of unsupported.ts. Support it, or add it with a reason.`,
          );
        }
        task.meta.golden = { ...meta, unsupported: entry.reason };
        skip(entry.reason);
      });
    }
  }
}
