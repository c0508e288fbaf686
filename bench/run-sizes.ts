// Measures what pages download; see README.md.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { BrowserContext } from 'playwright';
import { build, preview } from 'vite';
import { launchChromium } from './launch-chromium.ts';

const here = dirname(fileURLToPath(import.meta.url));
const studio = join(here, '../apps/studio');
const pages = join(here, 'pages');
const isOnnxruntime = (path: string) => path.includes('/ort');

/** The scripts that a page has asked for, and their sizes. */
interface Download {
  readonly files: number;
  /** Bytes as a web server sends them, compressed with gzip. */
  readonly gzipped: number;
  readonly plain: number;
}

const nothing: Download = { files: 0, gzipped: 0, plain: 0 };
const add = (a: Download, b: Download): Download => ({
  files: a.files + b.files,
  gzipped: a.gzipped + b.gzipped,
  plain: a.plain + b.plain,
});

/** Serves what Vite has built, and gives the scripts that the browser asks for until `visit` is over. */
async function measure(
  root: string,
  visit: (context: BrowserContext, url: string) => Promise<void>,
): Promise<Map<string, Download>> {
  const server = await preview({ root, preview: { port: 0 }, logLevel: 'silent' });
  const browser = await launchChromium();
  const paths = new Set<string>();
  try {
    const context = await browser.newContext();
    context.on('request', (request) => {
      const { pathname } = new URL(request.url());
      // Those of workers are scripts too; what is fetched as a file is kept for later.
      if (pathname.endsWith('.js') && request.resourceType() !== 'fetch') paths.add(pathname);
    });
    await visit(context, server.resolvedUrls!.local[0]!); // it listens on a port
  } finally {
    await browser.close();
    await server.close();
  }
  const sizeOf = async (path: string): Promise<Download> => {
    const script = await readFile(join(root, 'dist', path));
    return { files: 1, plain: script.length, gzipped: gzipSync(script).length };
  };
  return new Map(await Promise.all([...paths].map(async (path) => [path, await sizeOf(path)] as const)));
}

const sum = (scripts: Map<string, Download>, wanted: (path: string) => boolean) =>
  [...scripts].reduce((total, [path, size]) => (wanted(path) ? add(total, size) : total), nothing);

/** The studio until the first picture, painted with the embedded model. */
async function measureStudio(): Promise<{ own: Download; onnxruntime: Download }> {
  await build({ root: studio, logLevel: 'error' });
  const scripts = await measure(studio, async (context, url) => {
    const page = await context.newPage();
    await page.goto(url);
    await page.getByRole('textbox', { name: 'Prompt' }).fill('red apple, noto style');
    const paint = page.getByRole('button', { name: 'Paint', exact: true });
    await paint.click({ timeout: 120_000 });
    await page.locator('.frame figure img').waitFor({ timeout: 120_000 });
  });
  return {
    own: sum(scripts, (path) => !isOnnxruntime(path)),
    onnxruntime: sum(scripts, isOnnxruntime),
  };
}

/** A page that samples, until it is done; it is built by itself. */
async function measureSampling(name: string): Promise<Download> {
  await build({
    root: pages,
    logLevel: 'error',
    build: { target: 'es2023', rollupOptions: { input: join(pages, `${name}.html`) } },
  });
  const scripts = await measure(pages, async (context, url) => {
    const page = await context.newPage();
    await page.goto(`${url}${name}.html`);
    await page.waitForFunction(() => document.title.startsWith('done'));
  });
  return sum(scripts, () => true);
}

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
const row = (what: string, { files, gzipped, plain }: Download, limit?: number) => {
  const bar = limit === undefined ? '' : `≤ ${kilobytes(limit)}`;
  const verdict = limit === undefined ? '' : gzipped <= limit ? 'met' : '**missed**';
  return `| ${what} | ${files} | ${kilobytes(plain)} | ${kilobytes(gzipped)} | ${bar} | ${verdict} |`;
};

const samplingPages: readonly [name: string, what: string, limit?: number][] = [
  ['by-hand', 'Euler and its noise levels, put together by hand', 15_000],
  ['euler-discrete', '`createSchedulerOf(eulerDiscrete, config)`', 15_000],
  ['dpm-solver-multistep', '`createSchedulerOf(dpmSolverMultistepScheduler, config)`', 15_000],
  ['unipc-multistep', '`createSchedulerOf(unipcMultistep, config)`', 15_000],
  [
    'load-scheduler',
    '`loadScheduler(config)`, of Euler: other classes are downloaded when they are asked for',
  ],
  ['create-scheduler', '`createScheduler(config)`: all classes at once'],
];

const { own, onnxruntime } = await measureStudio();
const rows = [
  row('the studio, until its first picture', own, 150_000),
  row('its onnxruntime, besides', onnxruntime),
];
for (const [name, what, limit] of samplingPages) rows.push(row(what, await measureSampling(name), limit));

const text = `# What pages download

Written by \`pnpm bench:sizes\`; see README.md for what is measured and how. JavaScript alone; gzipped as web servers do.

| page | scripts | plain | gzipped | bar | |
| --- | ---: | ---: | ---: | ---: | --- |
${rows.join('\n')}
`;
await writeFile(join(here, 'SIZES.md'), text);
process.stdout.write(text);
