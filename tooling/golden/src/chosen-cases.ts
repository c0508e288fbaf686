// Which cases are tested where testing all would take too long.
import type { CaseJson } from './golden-area.ts';

/**
 * All pipelines of the families that are named, and one case of each other family: one of a part where there is one,
 * since its pipelines are made of such parts.
 */
export function chosenCases<Case extends { readonly json: CaseJson }>(
  cases: readonly Case[],
  families: readonly string[],
): Case[] {
  const all = new Set(cases.map(({ json }) => json.family));
  return [...all].flatMap((family) => {
    const members = cases.filter(({ json }) => json.family === family);
    const isPipeline = ({ json }: Case) => json.kind === 'pipeline';
    const pipelines = members.filter(isPipeline);
    if (pipelines.length > 0 && families.some((named) => named === family)) return pipelines;
    return [members.find((member) => !isPipeline(member)) ?? members[0]!];
  });
}
