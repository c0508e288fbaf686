// How long a painting still takes.

/** Milliseconds until the whole is done, if the rest goes as fast as the share that is; undefined before there is any. */
export function timeLeft(elapsed: number, progress: number): number | undefined {
  return progress > 0 ? (elapsed * (1 - progress)) / progress : undefined;
}

/** A duration as people say it. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 1) return 'less than a second';
  if (seconds < 60) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${seconds % 60} s`;
}
