// The built studio in Chromium, as a visitor has it.
import { mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { preview } from 'vite';

const app = fileURLToPath(new URL('..', import.meta.url));

/** Chromium as a machine without display and graphics card can run it. */
const chromiumFlags = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
];

export interface OpenedStudio {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly url: string;
  /** What the page complained of: its own errors, and messages on the console. */
  readonly complaints: readonly string[];
  /** Keeps what is to be seen. */
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Serves `dist/` and opens it in a fresh Chromium. */
export async function openStudio(): Promise<OpenedStudio> {
  const server = await preview({ root: app, preview: { port: 0 }, logLevel: 'silent' });
  const { port } = server.httpServer.address() as AddressInfo; // it listens on a port
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: chromiumFlags,
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    // The browser notes each file that is not there; some are asked for to see whether they are.
    const expected = message.text().includes('404');
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  const screenshots = `${app}/e2e/screenshots`;
  await mkdir(screenshots, { recursive: true });
  const url = `http://localhost:${port}/`;
  await page.goto(url);
  return {
    page,
    context,
    url,
    complaints,
    screenshot: async (name) =>
      void (await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
