// A vitest reporter: how many golden cases passed, by area and kind, which are unsupported, and the totals of the run.
import type { Reporter, TestModule } from 'vitest/node';
import { areas, type GoldenMeta } from './areas.ts';

/** What became of a test. */
type Outcome = 'passed' | 'failed' | 'skipped';

/** A golden case and what became of it. */
export interface GoldenResult extends GoldenMeta {
  readonly outcome: Outcome;
}

/** Prints the counts of golden cases at the end of a run, and as its last line the totals of all tests. */
export class GoldenReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const totals: Record<Outcome, number> = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const results: GoldenResult[] = [];
    for (const module of modules) {
      // A file that could not be loaded has no tests to count.
      totals.failed += module.errors().length;
      for (const testCase of module.children.allTests()) {
        const { state } = testCase.result();
        const outcome = state === 'pending' ? 'skipped' : state;
        totals[outcome]++;
        const { golden } = testCase.meta();
        if (golden) results.push({ ...golden, outcome });
      }
    }
    const lines = [...goldenReport(results), totalsLine(totals)];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}

const totalsLine = ({ passed, failed, skipped }: Record<Outcome, number>) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** The lines of the report: the unsupported cases by name, then a table of the counts by area and kind. */
export function goldenReport(results: readonly GoldenResult[]): string[] {
  if (results.length === 0) return [];
  const rows: (readonly string[])[] = [];
  for (const area of areas) {
    const ofArea = results.filter((result) => result.area === area);
    for (const kind of new Set(ofArea.map((result) => result.kind))) {
      rows.push([area, kind, ...counts(ofArea.filter((result) => result.kind === kind))]);
    }
  }
  rows.push(['all', '', ...counts(results)]);
  const unsupported = results.filter((result) => result.unsupported !== undefined);
  return [
    ...unsupported.map(
      ({ area, kind, name, unsupported }) => `unsupported: ${area} ${kind} ${name} (${unsupported})`,
    ),
    ...(unsupported.length > 0 ? [''] : []),
    ...table(['golden', 'kind', 'passed', 'failed', 'unsupported'], rows),
    '',
  ];
}

function counts(results: readonly GoldenResult[]): string[] {
  const count = (matches: (result: GoldenResult) => boolean) => String(results.filter(matches).length);
  return [
    count(({ outcome }) => outcome === 'passed'),
    count(({ outcome }) => outcome === 'failed'),
    count(({ unsupported }) => unsupported !== undefined),
  ];
}

/** Columns as wide as their widest cell; the first two are text, the others numbers. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
}
