// Noise levels that were optimized for a model (Sabour et al. 2024, "Align your steps").
import { assertSteps } from './assert-arguments.ts';
import { linspace } from './linspace.ts';

/** The levels of ten steps, as published. */
const tables = {
  sd1: [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029],
  sdxl: [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.38, 0.234, 0.113, 0.029],
  svd: [700, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002],
} as const;

/** Kinds of models that have a table. */
export const alignYourStepsModels = ['sd1', 'sdxl', 'svd'] as const;
export type AlignYourStepsModel = (typeof alignYourStepsModels)[number];

/**
 * The optimized noise levels of a kind of model, for other numbers of steps than ten interpolated in log sigma.
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1
 */
export function alignYourStepsSigmas({
  steps,
  model,
}: {
  steps: number;
  model: AlignYourStepsModel;
}): number[] {
  assertSteps('alignYourStepsSigmas', 'steps', steps);
  const logs = tables[model].map(Math.log);
  const levels = linspace(0, logs.length - 1, steps + 1).map((position) => {
    const below = Math.min(Math.floor(position), logs.length - 2);
    return Math.exp(logs[below]! + (position - below) * (logs[below + 1]! - logs[below]!));
  });
  return [...levels.slice(0, -1), 0];
}
