// What is published, as a developer has it: packed, installed, bundled, and opened in Chromium.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveFolder } from './serve-folder.ts';

const examples = fileURLToPath(new URL('.', import.meta.url));
const packages = fileURLToPath(new URL('../packages/', import.meta.url));
const run = promisify(execFile);

let work: string;
let tarballs: string[];
let browser: Browser;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'emulsion-examples-'));
  for (const name of await readdir(packages)) {
    await run('pnpm', ['pack', '--pack-destination', work], { cwd: join(packages, name) });
  }
  tarballs = (await readdir(work)).filter((name) => name.endsWith('.tgz')).map((name) => join(work, name));
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-quic'] });
});
afterAll(async () => {
  await browser?.close();
  await rm(work, { recursive: true, force: true });
});

test.each([
  { bundler: 'vite', site: 'dist' },
  { bundler: 'webpack', site: '.' },
])('a page of the packed packages, bundled by $bundler, paints with the embedded model', async (example) => {
  const folder = join(work, example.bundler);
  await cp(join(examples, example.bundler), folder, { recursive: true });
  const quietly = ['--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', ...quietly, ...tarballs], { cwd: folder });
  await run('npm', ['run', 'build'], { cwd: folder });

  const server = await serveFolder(join(folder, example.site));
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('response', (response) => {
    if (!response.ok() && !response.url().endsWith('/favicon.ico'))
      complaints.push(`${response.status()} ${response.url()}`);
  });
  try {
    await page.goto(`${server.url}/index.html`);
    const picture = page.locator('img');
    await expect
      .poll(async () => complaints.length > 0 || (await picture.count()) > 0, { timeout: 240_000 })
      .toBe(true);
    expect(complaints).toEqual([]);
    const { width, colours } = await picture.evaluate(async (image: HTMLImageElement) => {
      await image.decode();
      const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d')!;
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
      return { width: image.naturalWidth, colours: new Set(new Uint32Array(data.buffer)).size };
    });
    expect(width).toBe(128);
    expect(colours, 'a picture has many colours').toBeGreaterThan(200);
  } finally {
    await page.close();
    await server.close();
  }
});
