// The long run: `node --conditions=emulsion:source tooling/fuzz/src/run.ts [copies] [first]`. A second thread opens the
// copies, so that one that hangs or takes all memory is found and named.
import { existsSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type FuzzCounts, fuzz } from './fuzz.ts';
import { openTargets } from './targets.ts';

const defaultCopies = 200_000;
/** Milliseconds without a next copy after which the present one hangs. */
const patience = 20_000;
const maxHeapMegabytes = 512;
/** Bytes that the process may grow by; the heap's limit does not count what files are read into. */
const maxGrowth = 1024 * 2 ** 20;

interface Work {
  readonly target: number;
  readonly from: number;
  readonly to: number;
  /** The copy that is being opened. */
  readonly progress: SharedArrayBuffer;
}

async function openCopies({ target, from, to, progress }: Work): Promise<FuzzCounts> {
  const present = new Int32Array(progress);
  const targets = await openTargets();
  return fuzz(targets[target]!, from, to, (copy) => Atomics.store(present, 0, copy));
}

/** One target's copies in a thread of their own. @throws {Error} that names the copy that did not end well */
function watch(name: string, work: Work): Promise<FuzzCounts> {
  const present = new Int32Array(work.progress);
  const start = process.memoryUsage.rss();
  const worker = new Worker(new URL(import.meta.url), {
    workerData: work,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
  });
  return new Promise((resolve, reject) => {
    let [last, since] = [-1, performance.now()];
    const fail = (problem: string, cause?: unknown) => {
      clearInterval(timer);
      reject(new Error(`copy ${Atomics.load(present, 0)} of ${name} ${problem}`, { cause }));
      void worker.terminate();
    };
    const timer = setInterval(() => {
      const copy = Atomics.load(present, 0);
      if (copy !== last) [last, since] = [copy, performance.now()];
      else if (performance.now() - since > patience) fail('hangs');
      if (process.memoryUsage.rss() - start > maxGrowth) fail('takes too much memory');
    }, 200);
    worker.once('error', (cause) => fail('fails', cause));
    worker.once('message', (counts: FuzzCounts) => {
      clearInterval(timer);
      resolve(counts); // our own thread's last word
    });
  });
}

async function main([copies = `${defaultCopies}`, first = '0']: readonly string[]): Promise<void> {
  const targets = await openTargets();
  const each = Math.ceil(Number(copies) / targets.length);
  const from = Number(first);
  const total = { opened: 0, refused: 0 };
  for (const [target, { name }] of targets.entries()) {
    const work: Work = { target, from, to: from + each, progress: new SharedArrayBuffer(4) };
    const { opened, refused, slowest } = await watch(name, work);
    total.opened += opened;
    total.refused += refused;
    console.log(`${name}: ${opened} opened, ${refused} refused, the slowest took ${Math.ceil(slowest)} ms`);
    if (existsSync('hostile-was-run')) throw new Error(`${name}: a file ran what it says`);
  }
  console.log(
    `${total.opened + total.refused} files: ${total.opened} opened, ${total.refused} refused with a reason`,
  );
}

if (isMainThread) await main(process.argv.slice(2));
// The main thread gives its workers work of this kind alone.
else parentPort!.postMessage(await openCopies(workerData as Work));
