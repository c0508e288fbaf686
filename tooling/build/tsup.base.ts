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

/**
 * The configuration of a package that many take a small part of: a module for each source file, so that bundlers can
 * leave out or load late what a page does not need. A single module is needed as a whole, tables and all, as soon as any
 * of it is.
 */
export function modulesConfig() {
  return packageConfig({
    entry: ['src/**/*.ts', '!src/**/*.test.ts', '!src/testing/**'],
    splitting: false,
    treeshake: false,
    esbuildPlugins: [
      {
        name: 'modules-stay-apart',
        setup(build) {
          build.onResolve({ filter: /^\./ }, ({ kind, path }) =>
            kind === 'entry-point' ? undefined : { path: path.replace(/\.ts$/, '.js'), external: true },
          );
        },
      },
    ],
  });
}
