// The tests that need nothing of Node, in headless Chromium: on WebAssembly, and the graphs on WebGPU too.
import { globSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { GoldenReporter } from './tooling/golden/src/reporter.ts';

const { GOLDEN_DIR } = process.env;
const goldenPath = GOLDEN_DIR === undefined ? '/fixtures/golden/open/' : `/@fs${resolve(GOLDEN_DIR)}/`;

const usesNode = /from 'node:|types="node"|@emulsion\/runtime-node|import\.meta\.dirname/;
// The command line is no page's, whatever its tests import.
const isOfNode = (file: string) => file.startsWith('packages/cli/');
const usesDevice = (file: string) => /createTestDevice/.test(readFileSync(file, 'utf8'));
// What pipelines do between their graphs is the same on each device; the golden pipelines are painted on WebGPU too.
const isBetweenGraphs = (file: string) => file.startsWith('packages/pipelines/');
// Devices outlive a test file, and what the browser remembers does.
const wantsPage = (file: string) =>
  /createTestDevice|createDevice|localStorage|new Worker/.test(readFileSync(file, 'utf8'));
const files = globSync('{packages,apps,tooling}/*/src/**/*.test.ts').filter(
  (file) => !isOfNode(file) && !usesNode.test(readFileSync(file, 'utf8')),
);

export default defineConfig({
  resolve: { conditions: ['emulsion:source', 'module', 'browser', 'development|production'] },
  // A page that is isolated from others may have threads.
  server: {
    fs: { allow: ['.', ...(GOLDEN_DIR === undefined ? [] : [dirname(resolve(GOLDEN_DIR))])] },
    headers: {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  },
  test: {
    include: files,
    // WebGPU in software takes its time.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    onConsoleLog(log) {
      throw new Error(`unexpected console output in a test: ${log}`);
    },
    reporters: ['default', new GoldenReporter()],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: {
          executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
          args: [
            '--no-sandbox',
            // For tests in which garbage is collected at a bad moment.
            '--js-flags=--expose-gc',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            // WebGPU in software, which Chromium does not offer by itself.
            '--enable-unsafe-webgpu',
            '--use-webgpu-adapter=swiftshader',
          ],
        },
      }),
      instances: [
        {
          browser: 'chromium',
          name: 'plain',
          include: files.filter((file) => !wantsPage(file)),
          // What loads no onnxruntime leaves nothing behind that a page of its own would be needed for.
          isolate: false,
          provide: { device: 'wasm', goldenPath },
        },
        {
          browser: 'chromium',
          name: 'wasm',
          include: files.filter(wantsPage),
          provide: { device: 'wasm', goldenPath },
        },
        {
          browser: 'chromium',
          name: 'webgpu',
          include: files.filter((file) => usesDevice(file) && !isBetweenGraphs(file)),
          // In software a picture takes its time; other models run the same kernels.
          provide: { device: 'webgpu', goldenPath, goldenPipelines: ['sd1', 'sdxl', 'controlnet'] },
          testTimeout: 300_000,
        },
      ],
    },
  },
});
