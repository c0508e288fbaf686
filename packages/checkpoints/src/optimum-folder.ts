// A model as Optimum exports it: ready-made graphs in folders of their own, the autoencoder's halves in two.
import type { Folder } from './folder.ts';
import { resolvePath } from './resolve-path.ts';

/** Where the halves are, of an autoencoder that in diffusers layout is one folder. */
const halves = { encoder: 'vae_encoder', decoder: 'vae_decoder' } as const;

/** Whether a folder is one of ready-made graphs. */
export const isOptimumFolder = (folder: Folder): Promise<boolean> =>
  folder.has(`${halves.decoder}/model.onnx`);

/**
 * The folder in diffusers layout: `vae` has the configuration of the decoder, and the halves as its folders `encoder` and
 * `decoder`.
 */
export function optimumFolder(folder: Folder): Folder {
  const translate = (path: string): string => {
    const [first, second, ...rest] = resolvePath(folder.name, path).split('/');
    if (first !== 'vae' || second === undefined) return path;
    const half = second === 'encoder' || second === 'decoder' ? halves[second] : undefined;
    return half === undefined ? [halves.decoder, second, ...rest].join('/') : [half, ...rest].join('/');
  };
  const view = (name: string, parents: string): Folder => {
    const inside = (path: string) => translate(`${parents}${resolvePath(name, path)}`);
    return {
      name,
      has: async (path) => folder.has(inside(path)),
      size: async (path) => folder.size(inside(path)),
      read: async (path, range) => folder.read(inside(path), range),
      locate: async (path) => folder.locate(inside(path)),
      subfolder: (path) => view(`${name}/${path}`, `${parents}${resolvePath(name, path)}/`),
    };
  };
  return view(folder.name, '');
}

/** Classes of the components of an export, by the names that they have in the classes of diffusers. */
const classNames: Readonly<Record<string, readonly [library: string, className: string]>> = {
  unet: ['diffusers', 'UNet2DConditionModel'],
  vae_decoder: ['diffusers', 'AutoencoderKL'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
};

/** The entries of an export's model_index.json as diffusers has them; those of diffusers stay as they are. */
export function withoutOptimumClasses(entries: readonly (readonly [string, unknown])[]): [string, unknown][] {
  return entries.flatMap(([name, value]): [string, unknown][] => {
    if (name === '_class_name' && typeof value === 'string')
      return [[name, value.replace(/^(ORT|Onnx)/, '')]];
    const exported = Array.isArray(value) && /^(ORTModel|OnnxRuntimeModel)/.test(String(value[1]));
    if (!exported) return [[name, value]];
    if (name === 'vae_encoder') return [];
    const known = classNames[name];
    return [[name === 'vae_decoder' ? 'vae' : name, known ?? value]];
  });
}
