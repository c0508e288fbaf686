// From what the visitor chose to a folder, in the worker.
import type { Folder } from '@emulsion/checkpoints';
import type { OpenSourceContext } from '@emulsion/pipelines/worker';
import { fetchFolder, openFolder } from '@emulsion/runtime-web';
import type { ModelSource, PlacedFile } from './model-source.ts';

/** Opens a model; while files are downloaded, tells how many bytes there are. */
export async function openModelSource(
  source: ModelSource,
  { signal, onProgress }: OpenSourceContext,
): Promise<Folder> {
  switch (source.kind) {
    case 'embedded':
      return fetchFolder(source.url);
    case 'hub': {
      // The embedded model needs none of it.
      const { openHubFolder } = await import('@emulsion/hub');
      return openHubFolder(source.repo, {
        signal,
        onProgress: ({ file, bytesLoaded, bytesTotal }) =>
          onProgress({ component: file, loaded: bytesLoaded, total: bytesTotal }),
      });
    }
    case 'files':
      return openFolder(source.files.map(placed), source.name);
    case 'file': {
      const { openModelFile } = await import('./open-model-file.ts');
      return openModelFile(source.file, signal);
    }
  }
}

const placed = ({ path, file }: PlacedFile): File =>
  Object.defineProperty(file, 'webkitRelativePath', { value: path });
