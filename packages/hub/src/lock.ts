// One at a time: across the tabs and workers of a page's origin where the platform has locks, else in this program.

/** Milliseconds between two looks at what the others do. */
const interval = 500;

const held = new Map<string, Promise<void>>();

/**
 * Waits until nobody has the lock `name`, and takes it.
 * @param onWait called now and then while somebody else has it
 * @returns what gives it back
 * @throws the signal's reason if it was aborted
 */
export async function acquireLock(
  name: string,
  signal: AbortSignal | undefined,
  onWait: () => Promise<void>,
): Promise<() => void> {
  signal?.throwIfAborted();
  const timer = setInterval(() => void onWait().catch(() => {}), interval); // a look that fails is no harm
  try {
    // Not in every runtime, whatever its types say.
    const locks: LockManager | undefined = globalThis.navigator?.locks;
    return await (locks ? acquirePlatformLock(locks, name, signal) : acquireLocalLock(name, signal));
  } finally {
    clearInterval(timer);
  }
}

function acquirePlatformLock(
  locks: LockManager,
  name: string,
  signal: AbortSignal | undefined,
): Promise<() => void> {
  return new Promise((resolve, reject) => {
    locks
      .request(name, signal ? { signal } : {}, () => new Promise<void>((release) => resolve(release)))
      .catch(reject);
  });
}

async function acquireLocalLock(name: string, signal: AbortSignal | undefined): Promise<() => void> {
  for (let other = held.get(name); other; other = held.get(name)) await unlessAborted(other, signal);
  let release = () => {};
  held.set(
    name,
    new Promise((resolve) => {
      release = resolve;
    }),
  );
  return () => {
    held.delete(name);
    release();
  };
}

function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve).finally(() => signal.removeEventListener('abort', abort));
  });
}
