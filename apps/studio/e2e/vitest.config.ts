import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['emulsion:source', 'node'] },
  ssr: { resolve: { conditions: ['emulsion:source', 'node'] } },
  test: {
    include: ['e2e/*.e2e.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
