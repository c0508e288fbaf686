// Reads an adapter's file for the networks of a pipeline.
import {
  adapterKindOf,
  bundledEmbedding,
  type Component,
  loadLora,
  type ModelModules,
  type ModuleChange,
  modulesOf,
  readTextualInversion,
} from '@emulsion/adapters';
import { type Folder, memoryFolder } from '@emulsion/checkpoints';
import type { ModuleAdapter, NetworkAdapter } from '@emulsion/nn';
import { type Tensor, zeros } from '@emulsion/tensor';
import type { AdaptableNetworks, AdapterSource, AddAdapterOptions, LoadedAdapter } from './adapters.ts';
import { loadHypernetwork } from './adapters-hypernetwork.ts';
import type { PictureReadingModel } from './adapters-load-pictures.ts';
import type { FolderFile, OpenedAdapter } from './open-adapter.ts';
import { pictureReaderKind } from './picture-reader-kind.ts';

/** The name of a file, without its ending. */
const stemOf = (path: string) => path.slice(path.search(/[^/\\]*$/)).replace(/\.[^.]+$/, '');

/** Opens an adapter's file and reads it. @throws the errors of `openSource` and of the reader of its kind */
export async function loadAdapter(
  source: AdapterSource,
  networks: AdaptableNetworks,
  options: AddAdapterOptions,
  model?: PictureReadingModel,
): Promise<LoadedAdapter> {
  const opened = await openAdapter(source, options);
  const kind = await pictureReaderKind(opened);
  if (kind) {
    const { loadPictureReader } = await import('./adapters-load-pictures.ts');
    return loadPictureReader(kind, opened, model, options);
  }
  const { folder, path } = opened as FolderFile; // a folder is of one of those kinds, or it was refused
  switch (await adapterKindOf(folder, path)) {
    case 'lora':
      return loadLoraFile(folder, path, networks, options);
    case 'hypernetwork':
      return loadHypernetwork(folder, path, networks, options.name ?? stemOf(path));
    case 'embedding':
      return loadEmbedding(folder, path, options);
  }
}

async function loadLoraFile(
  folder: Folder,
  path: string,
  networks: AdaptableNetworks,
  { name = stemOf(path) }: AddAdapterOptions,
): Promise<LoadedAdapter> {
  const model: ModelModules = Object.fromEntries(
    [...networks].map(([component, { weights }]) => [component, modulesOf(weights)]),
  );
  const { changes, embeddings: bundled, report } = await loadLora(folder, path, { model });
  const notes = report.warning === undefined ? [] : [report.warning];
  const embeddings = [...bundled].flatMap(([token, tensors]) => bundledEmbedding(token, tensors) ?? []);
  for (const embedding of embeddings)
    notes.push(`It brings an embedding, which prompts name by "${embedding.name}".`);
  return {
    name,
    kind: 'lora',
    report,
    notes,
    networks: await changesByNetwork(changes, networks),
    embeddings,
  };
}

async function loadEmbedding(
  folder: Folder,
  path: string,
  { name }: AddAdapterOptions,
): Promise<LoadedAdapter> {
  const embedding = await readTextualInversion(folder, path, { name });
  const { matched, unused, checkpointName: baseModel, notes } = embedding;
  const report = {
    ...{ matched, unmatched: [], unused, baseModel, warning: undefined },
    ...{ algorithms: [], dora: false, ranks: [], targets: [] },
  };
  return {
    name: embedding.name,
    kind: 'embedding',
    report,
    notes,
    networks: new Map(),
    embeddings: [embedding],
  };
}

async function openAdapter(
  source: AdapterSource,
  { revision, localFilesOnly, token, endpoint, storage, signal }: AddAdapterOptions,
): Promise<OpenedAdapter> {
  if (source instanceof File) {
    const bytes = new Uint8Array(await source.arrayBuffer());
    return { folder: memoryFolder({ [source.name]: bytes }, 'picked'), path: source.name };
  }
  if (typeof source !== 'string') return 'path' in source ? source : { folder: source };
  return (await import('./open-adapter.ts')).openAdapter(source, {
    revision,
    localFilesOnly,
    token,
    endpoint,
    storage,
    signal,
  });
}

/** What changes are to the networks; those that are as large as a weight are worked out now. */
async function changesByNetwork(
  changes: readonly ModuleChange[],
  networks: AdaptableNetworks,
): Promise<Map<Component, Pick<NetworkAdapter, 'modules'>>> {
  const modules = new Map<Component, Map<string, ModuleAdapter>>();
  for (const { component, module, weight, bias } of changes) {
    const network = networks.get(component)!; // changes are of the components that were given
    const change: ModuleAdapter = {
      ...(weight?.form === 'low-rank' && { lowRank: { down: weight.down, up: weight.up } }),
      ...(weight?.form === 'full' && { delta: weight.delta(await baseOf(`${module}.weight`)) }),
      ...(bias && { bias }),
    };
    modules.set(component, (modules.get(component) ?? new Map()).set(module, change));
    async function baseOf(name: string): Promise<Tensor> {
      const needsBase = weight?.form === 'full' && weight.needsBase;
      return needsBase ? network.readWeight(name) : zeros(network.weights.get(name)!.dims);
    }
  }
  return new Map([...modules].map(([component, changed]) => [component, { modules: changed }]));
}
