// The file of an IP-Adapter (Ye et al. 2023): an image projection and the keys and values of a U-Net's layers.
import {
  type Folder,
  InvalidFileError,
  isPickledWeight,
  openSafetensors,
  readPytorch,
  UnsupportedFileError,
  type Weight,
  type Weights,
} from '@emulsion/checkpoints';

/** The two parts of an IP-Adapter, each with names of its own. */
export interface IpAdapterWeights {
  /** `image_proj`: what makes tokens of CLIP's embeddings. */
  readonly imageProjection: Weights;
  /** `ip_adapter`: `1.to_k_ip.weight`, `1.to_v_ip.weight`, `3.to_k_ip.weight` and so on. */
  readonly attention: Weights;
}

const parts = { imageProjection: 'image_proj', attention: 'ip_adapter' } as const;

/**
 * Reads which weights an IP-Adapter has: a `.safetensors` whose names begin with `image_proj.` and `ip_adapter.`, or a
 * `.bin` of PyTorch with two dicts of those names. The weights stay where they are.
 * @throws {InvalidFileError} if it has not both parts, {UnsupportedFileError} if it wants embeddings of faces, and the
 * errors of `openSafetensors` and `readPytorch`
 */
export async function openIpAdapterWeights(folder: Folder, file: string): Promise<IpAdapterWeights> {
  const weights = file.endsWith('.safetensors')
    ? await openSafetensors(folder, file)
    : pickledWeights(await readPytorch(folder, file));
  const [imageProjection, attention] = [parts.imageProjection, parts.attention].map((part) =>
    partOf(weights, part),
  ) as [Weights, Weights]; // as many as parts
  if (imageProjection.size === 0 || attention.size === 0) {
    const [first = 'none'] = weights.keys();
    throw new InvalidFileError(
      folder,
      file,
      `it is not the file of an IP-Adapter: none of its ${weights.size} weights (the first is "${first}") begins with "${imageProjection.size === 0 ? parts.imageProjection : parts.attention}."`,
    );
  }
  const isFaceId =
    imageProjection.has('norm.weight') &&
    imageProjection.has('proj.2.weight') &&
    !imageProjection.has('proj.weight');
  if (isFaceId || imageProjection.has('perceiver_resampler.proj_in.weight')) {
    throw new UnsupportedFileError(
      folder,
      file,
      'it is a FaceID adapter, which reads what a recognizer of faces makes of a picture',
      'Use one that reads CLIP: ip-adapter, ip-adapter-plus or ip-adapter-full-face.',
    );
  }
  return { imageProjection, attention };
}

/** The weights of a part, without its name. */
function partOf(weights: Weights, part: string): Weights {
  const found = new Map<string, Weight>();
  for (const [name, weight] of weights) {
    if (name.startsWith(`${part}.`)) found.set(name.slice(part.length + 1), weight);
  }
  return found;
}

/** Dicts in dicts as one, with the names joined by points. */
function pickledWeights(root: unknown): Weights {
  const weights = new Map<string, Weight>();
  for (const part of Object.values(parts)) {
    const dict: unknown = root instanceof Map ? root.get(part) : undefined;
    for (const [name, value] of dict instanceof Map ? dict : []) {
      if (typeof name !== 'string' || !isPickledWeight(value)) continue;
      const { dtype, dims, path, range } = value;
      weights.set(`${part}.${name}`, { name: `${part}.${name}`, dtype, dims, path, range });
    }
  }
  return weights;
}
