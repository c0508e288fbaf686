// Makes one step of a model as large as Stable Diffusion 1.5 in Chromium, on WebAssembly; see README.md.
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { loadUnet } from '@emulsion/unet';
import type { Browser, CDPSession, Page } from 'playwright';
import { build, defaultClientConditions, preview } from 'vite';
import { inputs } from './inputs.ts';
import { launchChromium } from './launch-chromium.ts';
import type { StepReport } from './pages/step.ts';
import { memoryOf, physicalCores } from './processes.ts';
import { writeModel } from './write-model.ts';

const here = dirname(fileURLToPath(import.meta.url));
const model = join(here, '.models', 'sd15-fp16');
const pages = join(here, 'pages');
/** Bytes of JavaScript's heap and of its arrays that there may be at most. */
const limit = 500e6;

/** What V8 says of a thread's heap, in bytes. */
interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize: number;
  /** Of arrays, which lie outside of the heap. */
  readonly backingStorageSize: number;
}

/** The most that a page and its worker have on their heaps at a time, asked for again and again. */
class HeapWatch {
  readonly #session: CDPSession;
  readonly #workers = new Set<string>();
  readonly #latest = new Map<string, number>();
  #asked = 0;
  peak = 0;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async of(page: Page): Promise<HeapWatch> {
    const session = await page.context().newCDPSession(page);
    const watch = new HeapWatch(session);
    session.on('Target.attachedToTarget', ({ sessionId }) => watch.#workers.add(sessionId));
    session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
      const { result } = JSON.parse(message) as { result?: HeapUsage };
      if (result) watch.#note(sessionId, result);
    });
    await session.send('Target.setAutoAttach', {
      autoAttach: true,
      waitForDebuggerOnStart: false,
      flatten: false,
    });
    return watch;
  }

  /** How many have answered. */
  get threads(): number {
    return this.#latest.size;
  }

  #note(thread: string, { usedSize, embedderHeapUsedSize, backingStorageSize }: HeapUsage): void {
    this.#latest.set(thread, usedSize + embedderHeapUsedSize + backingStorageSize);
    this.peak = Math.max(
      this.peak,
      [...this.#latest.values()].reduce((sum, bytes) => sum + bytes, 0),
    );
  }

  /** Asks all threads; those that compute answer when they pause. */
  async ask(): Promise<void> {
    for (const sessionId of this.#workers) {
      const message = JSON.stringify({ id: ++this.#asked, method: 'Runtime.getHeapUsage' });
      await this.#session.send('Target.sendMessageToTarget', { sessionId, message });
    }
    this.#note('page', (await this.#session.send('Runtime.getHeapUsage')) as HeapUsage); // the type lacks fields
  }
}

/** The process that draws the page and computes for it. */
async function rendererOf(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pids = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  return pids.reduce((a, b) => (memoryOf(a).resident > memoryOf(b).resident ? a : b));
}

interface Measured extends StepReport {
  readonly heapPeak: number;
  readonly rendererPeak: number;
  readonly browser: string;
}

async function measure(): Promise<Measured> {
  await build({
    root: pages,
    logLevel: 'error',
    resolve: { conditions: ['emulsion:source', ...defaultClientConditions] },
    worker: { format: 'es' },
    build: {
      target: 'es2023',
      assetsInlineLimit: 0,
      rollupOptions: { input: join(pages, 'step.html') },
    },
  });
  const headers = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  };
  const server = await preview({ root: pages, preview: { port: 0, headers }, logLevel: 'silent' });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.on('pageerror', ({ message }) => process.stderr.write(`${message}\n`));
    const watch = await HeapWatch.of(page);
    await page.goto(`${server.resolvedUrls!.local[0]!}step.html`); // it listens on a port
    await page.locator('input').setInputFiles(model);
    for (;;) {
      await watch.ask();
      const report = await page.evaluate(() => (window as unknown as { report?: StepReport }).report);
      if (report?.error !== undefined) throw new Error(`step-worker.ts: ${report.error}`);
      if (report?.output) {
        if (watch.threads < 2) throw new Error('The heap of the worker was not seen.');
        const rendererPeak = memoryOf(await rendererOf(browser)).peak;
        return { ...report, heapPeak: watch.peak, rendererPeak, browser: browser.version() };
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await browser.close();
    await server.close();
  }
}

/** The same step in Node. */
async function expectedOutput(): Promise<Float32Array> {
  const device = await createDevice('cpu');
  const unet = await loadUnet((await openFolder(model)).subfolder('unet'), { device });
  const { data } = await unet.predict(inputs());
  await device.dispose();
  return data;
}

await writeModel(model, 'fp16');
const { notes, load, step, output, wasmMemory, heapPeak, rendererPeak, browser } = await measure();
const expected = await expectedOutput();
const difference = expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - output![i]!)), 0);
const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const text = `# A model as large as Stable Diffusion 1.5, in the browser

Written by \`pnpm bench:browser\`; see README.md for what is measured and how. The U-Net in float16, picked as a folder of files, makes one step of 64×64 latents, batch 1, on WebAssembly.

Machine: ${cpus()[0]!.model}, ${physicalCores()} cores. Chromium ${browser}. ${notes.join(' ')}

| | measured | bar | |
| --- | ---: | ---: | --- |
| load | ${load!.toFixed(1)} s | | |
| step | ${step!.toFixed(1)} s | | |
| peak of JavaScript's heap, arrays included | ${megabytes(heapPeak)} | ≤ ${megabytes(limit)} | ${heapPeak <= limit ? 'met' : '**missed**'} |
| WebAssembly's memory | ${megabytes(wasmMemory)} | ≤ 4295 MB | ${wasmMemory <= 2 ** 32 ? 'met' : '**missed**'} |
| peak of the page's process | ${megabytes(rendererPeak)} | | |
| largest difference to the same step in Node | ${difference.toExponential(1)} of ${largest.toFixed(2)} | | |
`;
await writeFile(join(here, 'BROWSER.md'), text);
process.stdout.write(text);
