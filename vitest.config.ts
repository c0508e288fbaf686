import { configDefaults, defineConfig } from 'vitest/config';
import { GoldenReporter } from './tooling/golden/src/reporter.ts';

export default defineConfig({
  resolve: { conditions: ['emulsion:source', 'node'] },
  ssr: { resolve: { conditions: ['emulsion:source', 'node'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tooling/*/src/**/*.test.ts'],
    exclude: [...configDefaults.exclude, '**/*.browser.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    onConsoleLog(log) {
      throw new Error(`unexpected console output in a test: ${log}`);
    },
    reporters: ['default', new GoldenReporter()],
  },
});
