// How much memory the app takes.

/** What browsers can do that the types do not know. */
interface MeasuringPerformance {
  measureUserAgentSpecificMemory?(): Promise<{ readonly bytes: number }>;
}

/** Bytes that the page and its worker take; undefined where the browser does not tell: of isolated pages, some do. */
export async function measureMemory(): Promise<number | undefined> {
  const measuring = performance as MeasuringPerformance;
  try {
    return (await measuring.measureUserAgentSpecificMemory?.())?.bytes;
  } catch {
    // The page is not isolated from others, of which it would tell too.
    return undefined;
  }
}

/** Bytes as people say them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
