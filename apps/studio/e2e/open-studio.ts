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
  /** Paths of the scripts that the page and its worker asked for so far. */
  readonly scripts: readonly string[];
  /** Keeps what is to be seen. */
  screenshot(name: string): Promise<void>;
  /** From now on neither the page's server nor the hub can be reached. */
  loseNetwork(): Promise<void>;
  findNetwork(): Promise<void>;
  close(): Promise<void>;
}

/** Where the page looks for models. */
const publicHub = 'https://huggingface.co';

/**
 * Serves `dist/` and opens it in a fresh Chromium.
 * @param options.hub the address of a hub that answers in place of the public one
 */
export async function openStudio({ hub }: { readonly hub: string }): Promise<OpenedStudio> {
  const server = await preview({ root: app, preview: { port: 0 }, logLevel: 'silent' });
  const { port } = server.httpServer.address() as AddressInfo; // it listens on a port
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: chromiumFlags,
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  let isOnline = true;
  await context.route(`${publicHub}/**`, async (route) => {
    if (!isOnline) return route.abort('internetdisconnected');
    const response = await route.fetch({ url: route.request().url().replace(publicHub, hub) });
    await route.fulfill({ response });
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    // The browser notes each file that is not there; some are asked for to see whether they are.
    // So it does when the network is lost, which is done to it.
    const expected = /404|ERR_INTERNET_DISCONNECTED/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  const scripts = new Set<string>();
  context.on('request', (request) => {
    const { pathname } = new URL(request.url());
    // What is fetched as a file is kept for later.
    if (pathname.endsWith('.js') && request.resourceType() !== 'fetch') scripts.add(pathname);
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
    get scripts() {
      return [...scripts];
    },
    screenshot: async (name) =>
      void (await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true })),
    loseNetwork: async () => {
      isOnline = false;
      await context.setOffline(true);
    },
    findNetwork: async () => {
      isOnline = true;
      await context.setOffline(false);
    },
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
