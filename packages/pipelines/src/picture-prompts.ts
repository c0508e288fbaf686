// Pictures as prompts, by IP-Adapters (Ye et al. 2023): which, how much, and where in what is painted.
import { type RgbImage, tensorToImages } from '@emulsion/image';
import type { ImageEncoder } from '@emulsion/image-encoder';
import type { IpAdapter } from '@emulsion/ip-adapter';
import type { Cancellable } from '@emulsion/runtime';
import { cpuOps, InvalidArgumentError, ShapeError, type Tensor, zeros } from '@emulsion/tensor';
import type { ImagePrompt } from '@emulsion/unet';
import { assertFinite } from './assert-finite.ts';
import { pixelsOf, repeatTo } from './encode-picture.ts';
import { binarize, luminance } from './mask.ts';

/** A picture: bytes, or `[1, 3, height, width]` in [0, 1]. */
type Picture = RgbImage | Tensor;

/** What a request says of IP-Adapters. */
export interface PicturePromptOptions {
  /** What the picture is to be like, for each IP-Adapter a picture, or a list of pictures that it mixes. */
  readonly ipAdapterImage?: Picture | readonly (Picture | readonly Picture[])[] | undefined;
  /**
   * How much that counts, 0 is not at all: one number for all IP-Adapters, or for each a number, or a list with one for
   * each layer that attends to the text (see `crossAttentionLayers`); 1 unless said otherwise.
   */
  readonly ipAdapterScale?: number | readonly (number | readonly number[])[] | undefined;
  /**
   * Where in what is painted each picture counts, white or 1 where it does: for each IP-Adapter a mask, or a list with
   * one for each of its pictures. Bytes, or `[1, 1, height, width]`, resized; everywhere unless given.
   */
  readonly ipAdapterMask?: Picture | readonly (Picture | readonly Picture[])[] | undefined;
}

/** An IP-Adapter with the encoder of pictures that it reads. */
export interface PictureAdapter {
  readonly adapter: IpAdapter;
  readonly imageEncoder: ImageEncoder;
  /** What scales are multiplied by when a painting begins; 1 unless given. */
  readonly strength?: (() => number) | undefined;
}

/** Pictures under each condition; the negative one sees none. */
export interface GuidedImagePrompts {
  readonly positive: readonly ImagePrompt[];
  readonly negative: readonly ImagePrompt[];
}

const isList = <Item>(value: Item | readonly Item[]): value is readonly Item[] => Array.isArray(value);

/** A list with one entry for each of something, of which a single one may stand alone. */
const listOf = <Item>(value: Item | readonly Item[] | undefined): readonly Item[] =>
  value === undefined ? [] : isList(value) ? value : [value];

/**
 * Reads the pictures of a request by the pipeline's IP-Adapters.
 * @param pictures how many are painted, all after the same pictures
 * @param guided whether there is a negative condition; if not, it is the positive one
 * @returns prompts with a row for each, `undefined` if there are no IP-Adapters
 * @throws {InvalidArgumentError} if there are not pictures for each IP-Adapter, or scales or masks that make no sense
 */
export async function picturePrompts(
  adapters: readonly PictureAdapter[],
  options: PicturePromptOptions & Cancellable,
  { pictures, guided }: { readonly pictures: number; readonly guided: boolean },
): Promise<GuidedImagePrompts | undefined> {
  const count = adapters.length;
  const images = listOf<Picture | readonly Picture[]>(options.ipAdapterImage);
  if (images.length !== count) {
    throw new InvalidArgumentError(
      `ipAdapterImage: ${images.length} came, and this pipeline has ${count} IP-Adapters. Give a picture, or a list of pictures, for each.`,
    );
  }
  if (count === 0) return undefined;
  const scales = scalesOf(options, count);
  const masks = listOf<Picture | readonly Picture[]>(options.ipAdapterMask);
  if (masks.length !== 0 && masks.length !== count) {
    throw new InvalidArgumentError(
      `ipAdapterMask: ${masks.length} came for ${count} IP-Adapters. Give a mask, or a list of masks, for each.`,
    );
  }
  const positive: ImagePrompt[] = [];
  const negative: ImagePrompt[] = [];
  for (const [i, adapter] of adapters.entries()) {
    const own = listOf<Picture>(images[i]);
    const where = listOf<Picture>(masks[i]).map(maskOf);
    if (own.length === 0 || (where.length !== 0 && where.length !== own.length)) {
      throw new InvalidArgumentError(
        `ipAdapterImage: ${own.length} pictures came for an IP-Adapter, with ${where.length} masks. Give at least one picture, and a mask for each or none.`,
      );
    }
    const tokens = await tokensOf(adapter, own, options);
    const scale = strengthened(scales[i]!, adapter.strength?.() ?? 1);
    const [none] = guided ? await tokensOf(adapter, [undefined], options) : [];
    const prompt = (of: readonly Tensor[], mask?: Tensor): ImagePrompt => ({
      attention: adapter.adapter.attention,
      tokens: repeatTo(cpuOps, cpuOps.concat(of, 1), pictures),
      scale,
      ...(mask && { mask }),
    });
    if (where.length === 0) {
      positive.push(prompt(tokens));
      if (none) negative.push(prompt(own.map(() => none)));
    }
    // Each picture by itself, to count where its mask says.
    for (const [k, mask] of where.entries()) {
      positive.push(prompt([tokens[k]!], mask));
      if (none) negative.push(prompt([none], mask));
    }
  }
  return { positive, negative: guided ? negative : positive };
}

const strengthened = (scale: number | readonly number[], strength: number) =>
  typeof scale === 'number' ? scale * strength : scale.map((layer) => layer * strength);

/** Tokens of pictures, `[1, tokens, channels]` each; `undefined` is no picture, as diffusers has it. */
async function tokensOf(
  { adapter, imageEncoder }: PictureAdapter,
  images: readonly (Picture | undefined)[],
  options: Cancellable,
): Promise<Tensor[]> {
  const { kind, embedDim } = adapter.projection;
  const { channels, imageSize } = imageEncoder.config;
  const tokens: Tensor[] = [];
  for (const image of images) {
    if (!image && kind === 'linear') {
      tokens.push(await adapter.project(zeros([1, embedDim]), options));
      continue;
    }
    const seen = image ? bytesOf(image) : zeros([1, channels, imageSize, imageSize]);
    const { imageEmbeds, hiddenState } = await imageEncoder.encode(seen, options);
    tokens.push(await adapter.project(kind === 'linear' ? imageEmbeds : hiddenState, options));
  }
  return tokens;
}

/** A picture as bytes, which is what encoders of pictures resize. */
function bytesOf(picture: Picture): RgbImage {
  if ('channels' in picture) return picture;
  const [image, ...others] = tensorToImages(pixelsOf(picture));
  if (image && others.length === 0) return image;
  throw new ShapeError(
    `ipAdapterImage is [${picture.dims.join(', ')}]; one picture is wanted, [1, 3, height, width]. Give several as a list.`,
  );
}

function maskOf(mask: Picture): Tensor {
  const x = 'channels' in mask ? luminance(mask) : mask;
  const [one, channels, ...space] = x.dims;
  if (one !== 1 || channels !== 1 || space.length !== 2) {
    throw new ShapeError(
      `ipAdapterMask is [${x.dims.join(', ')}]; [1, 1, height, width] is wanted, or a picture of bytes.`,
    );
  }
  assertFinite(
    x,
    'ipAdapterMask: the mask has',
    'Give 0 where the picture does not count and 1 where it does.',
  );
  return binarize(x);
}

function scalesOf(
  { ipAdapterScale = 1 }: PicturePromptOptions,
  count: number,
): readonly (number | readonly number[])[] {
  const scales =
    typeof ipAdapterScale === 'number' ? Array.from({ length: count }, () => ipAdapterScale) : ipAdapterScale;
  if (scales.length === count && scales.flat().every((scale) => Number.isFinite(scale))) return scales;
  throw new InvalidArgumentError(
    `ipAdapterScale is [${scales.join(', ')}]; one number for all of ${count} IP-Adapters is wanted, or one entry for each.`,
  );
}
