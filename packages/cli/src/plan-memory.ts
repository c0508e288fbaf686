// What a picture takes of memory, said before the model is loaded.
import { assertWithinBudget, formatBytes, type MemoryPlan } from '@emulsion/pipelines';
import type { Report } from './report.ts';

/** Says what pictures take. @throws {MemoryBudgetError} if it is more than they may */
export function reportPlan(plan: MemoryPlan, report: Report): void {
  report.send({ event: 'plan', ...plan });
  assertWithinBudget(plan);
}

/** A plan as lines of text. */
export function planLines({
  components,
  peakBytes,
  budgetBytes,
  leaving,
  vaeTiling,
  ...size
}: MemoryPlan): string[] {
  const rows = components.map(({ component, weightBytes, activationBytes }) => [
    component,
    formatBytes(weightBytes),
    activationBytes === undefined ? 'unknown' : formatBytes(activationBytes),
  ]);
  const table = [['part', 'weights', 'to compute with'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  const budget = budgetBytes === undefined ? '' : `, of ${formatBytes(budgetBytes)}`;
  const away = leaving.length === 0 ? 'All parts stay.' : `To make room, these leave: ${leaving.join(', ')}.`;
  return [
    ...table.map(([part, ...amounts]) =>
      [part!.padEnd(widths[0]!), ...amounts.map((text, i) => text.padStart(widths[i + 1]!))].join('  '),
    ),
    `${size.width}×${size.height}: at most ${formatBytes(peakBytes)} at one time${budget}. ${away}${vaeTiling ? ' The picture is decoded by tiles.' : ''}`,
  ];
}
