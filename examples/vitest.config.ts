import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['examples/*.e2e.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
});
