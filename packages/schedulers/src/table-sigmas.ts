// Noise levels picked from a model's own table.
import { InvalidArgumentError } from '@emulsion/tensor';
import { assertSteps } from './assert-arguments.ts';
import { linspace } from './linspace.ts';
import { interpolateTable } from './sigma-table.ts';

/** How many levels, and the model's table of them, ascending: the `sigmas` of its noise schedule. */
export interface TableSigmasOptions {
  steps: number;
  table: Float32Array;
}

/**
 * Levels at evenly spaced timesteps from the last down, of which the lowest is left out: the "SGM uniform" spacing.
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1
 */
export function sgmUniformSigmas({ steps, table }: TableSigmasOptions): number[] {
  assertSteps('sgmUniformSigmas', 'steps', steps);
  const timesteps = linspace(table.length - 1, 0, steps + 1).slice(0, -1);
  return [...timesteps.map((timestep) => interpolateTable(table, timestep)), 0];
}

/**
 * Every so manieth level of the table, from the highest down: the "simple" spacing of ComfyUI.
 * @returns `[steps + 1]`, descending, last element 0
 * @throws {InvalidArgumentError} if `steps` < 1 or above the table's length
 */
export function simpleSigmas({ steps, table }: TableSigmasOptions): number[] {
  assertSteps('simpleSigmas', 'steps', steps);
  if (steps > table.length) {
    throw new InvalidArgumentError(
      `simpleSigmas: steps is ${steps}, the table has ${table.length} levels. Ask for at most as many.`,
    );
  }
  const stride = table.length / steps;
  const picked = Array.from({ length: steps }, (_, i) => table[table.length - 1 - Math.trunc(i * stride)]!);
  return [...picked, 0];
}
