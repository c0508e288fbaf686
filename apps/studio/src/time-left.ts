// How long a painting still takes.

/** Milliseconds until the last step is done, if the rest take as long as those before; undefined before the first. */
export function timeLeft(elapsed: number, stepsDone: number, totalSteps: number): number | undefined {
  return stepsDone > 0 ? (elapsed / stepsDone) * (totalSteps - stepsDone) : undefined;
}

/** A duration as people say it. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 1) return 'less than a second';
  if (seconds < 60) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${seconds % 60} s`;
}
