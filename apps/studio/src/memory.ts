// How much memory the page takes, with its worker.

/** What browsers that can tell have, on pages that share memory with nobody. */
interface MeasuringPerformance extends Performance {
  measureUserAgentSpecificMemory(): Promise<{ readonly bytes: number }>;
}

/** Bytes, or undefined where the browser does not tell. It takes its time, some seconds. */
export async function measureMemory(): Promise<number | undefined> {
  if (!crossOriginIsolated || !('measureUserAgentSpecificMemory' in performance)) return undefined;
  const { bytes } = await (performance as MeasuringPerformance).measureUserAgentSpecificMemory();
  return bytes;
}
