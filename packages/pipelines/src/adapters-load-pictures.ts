// Loads adapters that read pictures for a pipeline that has them added: ControlNets, T2I-Adapters and IP-Adapters.
import { type Folder, openControlNetFile, openWeights } from '@emulsion/checkpoints';
import { loadControlNet } from '@emulsion/controlnet';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { LoadOptions } from '@emulsion/unet';
import type { AddAdapterOptions, LoadedAdapter } from './adapters.ts';
import type { PictureReader, PictureReaderKind, PictureReaders } from './adapters-pictures.ts';
import { assertControlNet, type ControlledModel } from './assert-control-net.ts';
import { justLoad } from './load-part.ts';
import {
  assertPictureAdapters,
  findPictureAdapters,
  loadPictureAdapters,
  type PictureAdapterOptions,
} from './load-picture-adapters.ts';
import type { OpenedAdapter } from './open-adapter.ts';
import { tensorNames } from './picture-reader-kind.ts';

/** The model that adapters are added to, as far as those that read pictures need it. */
export interface PictureReadingModel extends PictureReaders, ControlledModel {
  readonly folder: Folder;
  /** Its components by their names; what matters is which there are. */
  readonly components: Readonly<Record<string, unknown>>;
  readonly options: LoadOptions;
  /** Takes note of what is to be freed with the pipeline. */
  keep(part: { dispose(): Promise<void> }): void;
}

/**
 * Loads an adapter that reads pictures.
 * @param model that it is for; `undefined` is one that reads none
 * @throws {InvalidArgumentError} if it is for another model, and the errors of its loader
 */
export async function loadPictureReader(
  kind: PictureReaderKind,
  opened: OpenedAdapter,
  model: PictureReadingModel | undefined,
  { name, imageEncoder, strength: _, weights: __, signal, ...opening }: AddAdapterOptions,
): Promise<LoadedAdapter> {
  const { folder, path } = opened;
  if (!model) {
    throw new InvalidArgumentError(
      `adapters: "${name ?? stemOf(path ?? folder.name)}" is one of kind ${kind}, and this model reads no pictures. Models with a U-Net do.`,
    );
  }
  const options = { ...model.options, signal };
  const read = async (): Promise<PictureReader> => {
    if (kind === 'controlnet') {
      const net = path === undefined ? folder : await openControlNetFile(folder, path);
      return { kind, controlNet: await loadControlNet(net, options) };
    }
    const wanted: PictureAdapterOptions =
      kind === 't2i-adapter'
        ? { t2iAdapters: [path === undefined ? folder : { folder, path }] }
        : { ipAdapters: [{ source: { folder, path: path! }, imageEncoder }] }; // of IP-Adapters there are files alone
    // The model's own adapters are there already.
    const { adapter: _own, ...components } = model.components;
    const beside = { folder: model.folder, components, opening: { ...opening, signal } };
    const found = await findPictureAdapters(wanted, beside);
    const { t2iAdapters, ipAdapters } = await loadPictureAdapters(found, options, justLoad);
    const [t2iAdapter] = t2iAdapters;
    return t2iAdapter
      ? { kind: 't2i-adapter', t2iAdapter }
      : { kind: 'ip-adapter', ipAdapter: ipAdapters[0]! };
  };
  const reader = await read();
  const pictures = { ...reader, dispose: disposerOf(reader) };
  try {
    assertReader(model, reader);
  } catch (error) {
    await pictures.dispose();
    throw error;
  }
  model.keep(pictures);
  const unused = unusedOf(reader);
  const names =
    path === undefined ? [...(await openWeights(folder)).keys()] : await tensorNames(folder, path);
  return {
    name: name ?? stemOf(path ?? folder.name),
    kind,
    report: {
      ...{ matched: names.filter((other) => !unused.includes(other)), unmatched: [], unused },
      ...{ algorithms: [], dora: false, ranks: [], targets: [], baseModel: undefined, warning: undefined },
    },
    notes: [],
    networks: new Map(),
    embeddings: [],
    pictures,
  };
}

/** The last part of a path, without its ending. */
const stemOf = (path: string) =>
  path
    .replace(/[/\\]+$/, '')
    .replace(/^.*[/\\]/, '')
    .replace(/\.[^.]+$/, '');

/** @throws {InvalidArgumentError} if an adapter was trained for another model */
function assertReader(model: PictureReadingModel, reader: PictureReader): void {
  const { config } = model.unet;
  if (reader.kind === 'controlnet') assertControlNet(model, reader.controlNet);
  else if (reader.kind === 't2i-adapter') assertPictureAdapters(config, [reader.t2iAdapter], []);
  else assertPictureAdapters(config, [], [reader.ipAdapter]);
}

function unusedOf(reader: PictureReader): readonly string[] {
  if (reader.kind === 'controlnet') return reader.controlNet.unusedWeights;
  if (reader.kind === 't2i-adapter') return reader.t2iAdapter.unusedWeights;
  return reader.ipAdapter.adapter.unusedWeights;
}

/** Frees what an adapter loaded, once. */
function disposerOf(reader: PictureReader): () => Promise<void> {
  const parts =
    reader.kind === 'controlnet'
      ? [reader.controlNet]
      : reader.kind === 't2i-adapter'
        ? [reader.t2iAdapter]
        : [reader.ipAdapter.adapter, reader.ipAdapter.imageEncoder];
  let done: Promise<unknown> | undefined;
  return async () => {
    done ??= Promise.all(parts.map((part) => part.dispose()));
    await done;
  };
}
