// Opens what is loaded beside a model to follow pictures, or to be prompted by them: T2I-Adapters and IP-Adapters.
import type { Folder } from '@emulsion/checkpoints';
import { type ImageEncoder, loadImageEncoder } from '@emulsion/image-encoder';
import { type IpAdapter, loadIpAdapter } from '@emulsion/ip-adapter';
import { adapterBlocks, loadT2iAdapter, type T2iAdapter } from '@emulsion/t2i-adapter';
import { InvalidArgumentError } from '@emulsion/tensor';
import { assertImageAdapter, type LoadOptions, type UnetConfig } from '@emulsion/unet';
import type { LoadPart } from './load-part.ts';
import { type FolderFile, type OpenedAdapter, openAdapter, openFolder } from './open-adapter.ts';
import { findModelFile, type OpenSourceOptions } from './open-source.ts';
import type { PictureAdapter } from './picture-prompts.ts';

/** An IP-Adapter's file, and the encoder of pictures that it was trained with. */
export interface IpAdapterSource {
  readonly source: string | FolderFile;
  /** The encoder's folder; `image_encoder` beside the file, or else that of the model, unless given. */
  readonly imageEncoder?: string | Folder | undefined;
}

/** Where T2I-Adapters and IP-Adapters are. */
export interface PictureAdapterOptions {
  /** T2I-Adapters beside those of the model: folders as of `controlNets`, or files as TencentARC published them. */
  readonly t2iAdapters?: readonly (string | Folder | FolderFile)[] | undefined;
  /** IP-Adapters: the paths of their files, on the hub behind the model's name as in `h94/IP-Adapter/models/ip-adapter_sd15.safetensors`. */
  readonly ipAdapters?: readonly (string | IpAdapterSource)[] | undefined;
}

/** The model that adapters are for, and how what is not in it is opened. */
export interface PictureAdapterModel {
  readonly folder: Folder;
  /** Its components by their names; what matters is which there are. */
  readonly components: Readonly<Record<string, unknown>>;
  readonly opening: OpenSourceOptions;
}

/** Where adapters were found. */
export interface FoundPictureAdapters {
  readonly t2i: readonly OpenedAdapter[];
  readonly ip: readonly (FolderFile & { readonly encoder: Folder })[];
  /** How many parts they are: adapters, and encoders of pictures, each once. */
  readonly parts: number;
}

/**
 * Finds the model's T2I-Adapters, `adapter`, `adapter_1` and so on, and all that are given.
 * @throws {InvalidArgumentError} if an IP-Adapter has no encoder of pictures, and the errors of `openSource`
 */
export async function findPictureAdapters(
  { t2iAdapters = [], ipAdapters = [] }: PictureAdapterOptions,
  model: PictureAdapterModel,
): Promise<FoundPictureAdapters> {
  const { folder, components, opening } = model;
  const t2i: OpenedAdapter[] = [];
  if (components.adapter) {
    t2i.push({ folder: folder.subfolder('adapter') });
    // A MultiAdapter numbers the others.
    for (let next = 1; await folder.subfolder(`adapter_${next}`).has('config.json'); next++)
      t2i.push({ folder: folder.subfolder(`adapter_${next}`) });
  }
  for (const source of t2iAdapters) {
    if (typeof source === 'string') t2i.push(await openAdapter(source, opening));
    else t2i.push('path' in source ? source : { folder: source });
  }
  const ip: (FolderFile & { encoder: Folder })[] = [];
  for (const given of ipAdapters) {
    const { source, imageEncoder } = typeof given === 'string' ? { source: given } : given;
    const file = typeof source === 'string' ? await findModelFile(source, opening) : source;
    const encoder =
      typeof imageEncoder === 'string'
        ? await openFolder(imageEncoder, opening)
        : (imageEncoder ?? (await encoderBeside(file, model)));
    ip.push({ folder: file.folder, path: file.path, encoder });
  }
  const encoders = new Set(ip.map(({ encoder }) => encoder.name));
  return { t2i, ip, parts: t2i.length + ip.length + encoders.size };
}

/**
 * Loads adapters that were found; the encoder of pictures of one folder is loaded once.
 * @throws {InvalidArgumentError} if an IP-Adapter reads what its encoder does not make, and the errors of the loaders
 */
export async function loadPictureAdapters(
  { t2i, ip }: FoundPictureAdapters,
  options: LoadOptions,
  part: LoadPart,
): Promise<{ t2iAdapters: T2iAdapter[]; ipAdapters: PictureAdapter[] }> {
  const t2iAdapters: T2iAdapter[] = [];
  for (const { folder, path } of t2i) {
    // The files that were published alone have no copies.
    const load = () => loadT2iAdapter(folder, path === undefined ? options : { ...options, file: path });
    t2iAdapters.push(await part('t2i-adapter', load));
  }
  const encoders = new Map<string, ImageEncoder>();
  const ipAdapters: PictureAdapter[] = [];
  for (const { folder, path, encoder } of ip) {
    const adapter = await part('ip-adapter', () => loadIpAdapter(folder, path, options));
    const imageEncoder =
      encoders.get(encoder.name) ?? (await part('image_encoder', () => loadImageEncoder(encoder, options)));
    encoders.set(encoder.name, imageEncoder);
    assertReads(adapter, imageEncoder);
    ipAdapters.push({ adapter, imageEncoder });
  }
  return { t2iAdapters, ipAdapters };
}

/** The folder of the encoder of pictures that an adapter's file lies beside, or the model's. */
async function encoderBeside({ folder, path }: FolderFile, model: PictureAdapterModel): Promise<Folder> {
  const beside = folder.subfolder(`${path.slice(0, path.lastIndexOf('/') + 1)}image_encoder`);
  if (await beside.has('config.json')) return beside;
  if (model.components.image_encoder) return model.folder.subfolder('image_encoder');
  throw new InvalidArgumentError(
    `ipAdapters: there is no folder "image_encoder" beside ${path}, and the model has none. Give the encoder of pictures that the IP-Adapter was trained with (imageEncoder).`,
  );
}

/** @throws {InvalidArgumentError} if an adapter reads embeddings that an encoder does not make */
function assertReads({ projection: { kind, embedDim } }: IpAdapter, { config }: ImageEncoder): void {
  const given = kind === 'linear' ? config.projectionDim : config.hiddenSize;
  if (given === embedDim) return;
  throw new InvalidArgumentError(
    `ip-adapter: it reads embeddings of ${embedDim} numbers, and the encoder of pictures gives ${given}. Give the one that the IP-Adapter was trained with (imageEncoder).`,
  );
}

/**
 * @throws {InvalidArgumentError} if an adapter was trained for another U-Net than that of this configuration
 */
export function assertPictureAdapters(
  config: UnetConfig,
  t2iAdapters: readonly T2iAdapter[],
  ipAdapters: readonly PictureAdapter[],
): void {
  for (const { adapter } of ipAdapters) assertImageAdapter(config, adapter.attention);
  const wanted = config.downBlocks.map(({ channels }) => channels);
  for (const adapter of t2iAdapters) {
    const channels = adapterBlocks(adapter.config).map(({ outChannels }) => outChannels);
    // One more is for the middle, which is as wide as the last block.
    const places = [...wanted, wanted.at(-1)!];
    if (channels.length <= places.length && channels.every((width, i) => width === places[i])) continue;
    throw new InvalidArgumentError(
      `t2i-adapter: its features have ${channels.join(', ')} channels, and the blocks of this U-Net ${wanted.join(', ')}. Use a T2I-Adapter that was trained for this model.`,
    );
  }
}
