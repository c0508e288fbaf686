// The app without a network: from the second visit on it comes from what the browser has kept.

/** Milliseconds after which the app goes on without. */
const patience = 10_000;

/** Has the service worker keep what is downloaded from now on. Where browsers have none, or refuse it, nothing is kept. */
export async function keepOffline(): Promise<void> {
  // The type has no word for pages that came by http.
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container || !import.meta.env.PROD) return;
  const controlled = new Promise<void>((resolve) => {
    if (container.controller) resolve();
    else container.addEventListener('controllerchange', () => resolve(), { once: true });
  });
  const tooLate = new Promise<void>((resolve) => setTimeout(resolve, patience));
  const answered = container.register('./service-worker.js').then(
    // A page that was reloaded past all caches gets no worker, though there is one.
    ({ active, installing, waiting }) => (active && !installing && !waiting ? undefined : controlled),
    () => tooLate,
  );
  await Promise.race([answered, tooLate]);
}

let isRestKept = false;

/** Downloads what of the app was not needed yet, other samplers for one: without a network it cannot be had. */
export async function keepRest(): Promise<void> {
  if (isRestKept || !(navigator.serviceWorker as ServiceWorkerContainer | undefined)?.controller) return;
  isRestKept = true;
  try {
    // Written by the build.
    const paths = (await (await fetch('./scripts.json')).json()) as string[];
    await Promise.all(paths.map((path) => fetch(path)));
  } catch {
    // What is not kept now is downloaded when it is needed, or next time.
    isRestKept = false;
  }
}
