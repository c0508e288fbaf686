// Tells adapters that read pictures from others, by what they hold.
import { type Folder, isPickledWeight, openSafetensors, readJson, readPytorch } from '@emulsion/checkpoints';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { PictureReaderKind } from './adapters-pictures.ts';
import type { OpenedAdapter } from './open-adapter.ts';

/** Kinds by the class that a config.json names. */
const kindsByClass: Readonly<Record<string, PictureReaderKind>> = {
  ControlNetModel: 'controlnet',
  T2IAdapter: 't2i-adapter',
};

/**
 * The kind of an adapter that reads pictures: of a folder by its config.json, of a file by the names of its weights.
 * @returns `undefined` if a file holds another adapter
 * @throws {InvalidArgumentError} if a folder holds none, and the errors of files that are damaged or not there
 */
export async function pictureReaderKind({
  folder,
  path,
}: OpenedAdapter): Promise<PictureReaderKind | undefined> {
  if (path === undefined) {
    const config = await readJson(folder, 'config.json');
    const name =
      typeof config === 'object' && config && '_class_name' in config ? config._class_name : undefined;
    const kind =
      typeof name === 'string' && Object.hasOwn(kindsByClass, name) ? kindsByClass[name] : undefined;
    if (kind) return kind;
    throw new InvalidArgumentError(
      `adapters: ${folder.name} is a folder, and "_class_name" in its config.json is ${JSON.stringify(name)}. Of folders ${Object.keys(kindsByClass).join(' and ')} are adapters; of others give the path of the file.`,
    );
  }
  const names = await tensorNames(folder, path);
  if (names.some((name) => name.startsWith('image_proj.'))) return 'ip-adapter';
  const isControlNet = (name: string) =>
    /(^|\.)(input_hint_block\.0|controlnet_cond_embedding\.conv_in)\.weight$/.test(name);
  if (names.some(isControlNet)) return 'controlnet';
  const isT2i = names.includes('body.0.block1.weight') || names.includes('body.0.out_conv.weight');
  return isT2i ? 't2i-adapter' : undefined;
}

/** Names of the tensors in a file, those in dicts of dicts joined by points. */
export async function tensorNames(folder: Folder, path: string): Promise<string[]> {
  if (path.endsWith('.safetensors')) return [...(await openSafetensors(folder, path)).keys()];
  if (!/\.(pth|pt|bin|ckpt)$/i.test(path)) return [];
  const root = await readPytorch(folder, path);
  const tensors = root instanceof Map ? [...root] : [];
  return tensors.flatMap(([name, value]) => {
    const inner = value instanceof Map ? [...value] : [];
    const names = inner.flatMap(([key, tensor]) => (isPickledWeight(tensor) ? [`${name}.${key}`] : []));
    return isPickledWeight(value) ? [String(name)] : names;
  });
}
