// The one build of every package: ES modules beside declarations that the TypeScript compiler writes.
import { defineConfig, type Options } from 'tsup';

/** The package's tsup configuration; `options` adds entries or externals. */
export function packageConfig(options: Options = {}) {
  return defineConfig({
    entry: ['src/index.ts'],
    format: ['esm'],
    target: 'es2023',
    sourcemap: true,
    clean: true,
    treeshake: true,
    ...options,
  });
}
