// A painting that is under way, and how its progress is told.
import type { RgbImage } from '@emulsion/image';
import { formatDuration, timeLeft } from './time-left.ts';

export interface Painting {
  readonly stepsDone: number;
  /** Undefined of a sampler that finds its steps on the way. */
  readonly totalSteps: number | undefined;
  /** From 0 to 1. */
  readonly progress: number;
  /** Milliseconds; undefined until it can be told. */
  readonly timeLeft: number | undefined;
  /** What the network expects the pictures to become. */
  readonly previews: readonly RgbImage[];
}

/** What a step tells of the way. */
export interface StepProgress {
  /** From 0. */
  readonly step: number;
  readonly totalSteps: number | undefined;
  readonly progress: number;
}

/** Before the first step. */
export const begun = (totalSteps: number): Painting => ({
  stepsDone: 0,
  totalSteps,
  progress: 0,
  timeLeft: undefined,
  previews: [],
});

/** After a step, `elapsed` milliseconds since the beginning. */
export function advanced(
  { previews }: Painting,
  { step, totalSteps, progress }: StepProgress,
  elapsed: number,
): Painting {
  return { stepsDone: step + 1, totalSteps, progress, timeLeft: timeLeft(elapsed, progress), previews };
}

/** As people say it: "Step 3 of 12, 5 seconds left". */
export function progressText({ stepsDone, totalSteps, timeLeft }: Painting): string {
  const total = totalSteps === undefined ? '' : ` of ${totalSteps}`;
  const rest = timeLeft === undefined ? '' : `, ${formatDuration(timeLeft)} left`;
  return `Step ${stepsDone}${total}${rest}`;
}

/** Whether another quarter is done, but not the whole: often enough for who listens. */
export function isWorthSaying(before: Painting, { progress }: Painting): boolean {
  return progress < 1 && Math.floor(4 * before.progress) < Math.floor(4 * progress);
}
