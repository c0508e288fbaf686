import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelUrl } from '@emulsion/default-model';
import { defaultClientConditions, defineConfig, type Plugin, type PreviewServer } from 'vite';

const modelFolder = fileURLToPath(modelUrl);

/** Puts the embedded model beside the app as it lies; while developing, it is served from where it is. */
function embeddedModel(): Plugin {
  return {
    name: 'embedded-model',
    config: (_, { command }) => ({
      define: {
        'import.meta.env.EMBEDDED_MODEL': JSON.stringify(
          command === 'serve' ? `/@fs${modelUrl.pathname}` : './embedded-model/',
        ),
      },
    }),
    async generateBundle() {
      for (const entry of await readdir(modelFolder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const fileName = `embedded-model/${relative(modelFolder, path).split(sep).join('/')}`;
        this.emitFile({ type: 'asset', fileName, source: await readFile(path) });
      }
    },
  };
}

/** Lists the app's own scripts, for the page to keep those that it has not needed yet. */
function scriptList(): Plugin {
  let folder: string;
  return {
    name: 'script-list',
    apply: 'build',
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir);
    },
    async closeBundle() {
      const names = (await readdir(join(folder, 'assets'))).filter((name) => /^(?!ort).*\.js$/.test(name));
      const paths = names.map((name) => `./assets/${name}`);
      await writeFile(join(folder, 'scripts.json'), JSON.stringify(paths));
    },
  };
}

/**
 * Vite's server takes the range of a file's first byte for one without an end, and a browser that keeps such an answer,
 * or one that broke off, puts wrong files together from then on. So the file is answered whole, and not kept.
 */
function firstByte(): Plugin {
  const use = ({ middlewares }: Pick<PreviewServer, 'middlewares'>) => {
    middlewares.use((request, response, next) => {
      if (request.headers.range === 'bytes=0-0') delete request.headers.range;
      if (request.url?.endsWith('.safetensors')) response.setHeader('Cache-Control', 'no-store');
      next();
    });
  };
  return { name: 'first-byte', configureServer: use, configurePreviewServer: use };
}

// Threads need a page that shares memory with nobody.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig(({ isPreview }) => ({
  base: './',
  // What is not there is answered with 404, and not with the app.
  appType: 'mpa',
  plugins: isPreview ? [firstByte()] : [firstByte(), embeddedModel(), scriptList()],
  resolve: { conditions: ['emulsion:source', ...defaultClientConditions] },
  // onnxruntime finds its WebAssembly beside its own file.
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  worker: { format: 'es' },
  build: { target: 'es2023', assetsInlineLimit: 0 },
  server: { headers },
  preview: { headers },
}));
