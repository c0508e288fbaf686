// From prompts to the conditions of a U-Net, one row for each picture.
import { assertScale, type Guided } from '@emulsion/guidance';
import { InvalidArgumentError, type Tensor, type TensorOps, tensor, zeros } from '@emulsion/tensor';
import type { SdxlPromptEncoder } from '@emulsion/text-encoder';
import { guidanceFeatures } from '@emulsion/unet';
import type { PaintOptions } from './paint-options.ts';
import { listOf, type PaintRequest } from './paint-request.ts';
import type { GuidedImagePrompts } from './picture-prompts.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';
import type { UnetCondition } from './unet-denoiser.ts';

/** What the conditions are of. */
export interface ConditionsRequest extends Pick<PaintRequest, 'prompts' | 'pictures'> {
  /** Whether the negative condition is evaluated; if not, it is the positive one. */
  readonly guided: boolean;
  /** Pixels of the pictures. */
  readonly width: number;
  readonly height: number;
}

/** Encodes texts, one row for each; `undefined` stands for a negative prompt that was not given. */
type Encode = (texts: readonly string[] | undefined, positive: boolean) => Promise<UnetCondition>;

/**
 * Encodes a request's prompts, each as often as pictures are made of it, with their negatives.
 * @throws {InvalidArgumentError} if there are negative prompts for other than one or all prompts, and the errors of
 * the prompt encoder
 */
export async function encodeConditions(
  parts: Omit<StableDiffusionParts, 'vae' | 'schedulerConfig'>,
  options: PaintOptions,
  request: ConditionsRequest,
): Promise<Guided<UnetCondition>> {
  const { negativePrompt } = options;
  const { prompts, guided } = request;
  const [negatives] = alignTexts({ negativePrompt }, prompts.length);
  const { promptEncoder } = parts;
  const encode =
    'encoders' in promptEncoder
      ? sdxlEncode(parts, promptEncoder, options, request)
      : clipEncode(parts, promptEncoder, options, request);
  const guidance = guidanceCondition(parts, options, request.pictures);
  const images = await imagePromptsOf(parts, options, request);
  const positive = { ...(await encode(prompts, true)), ...guidance, imagePrompts: images?.positive };
  if (!guided) return { positive, negative: positive };
  const negative = { ...(await encode(negatives, false)), ...guidance, imagePrompts: images?.negative };
  return { positive, negative };
}

/** Pictures that are prompts, if there are any: pages download what reads them then. */
async function imagePromptsOf(
  { ipAdapters = [] }: Pick<StableDiffusionParts, 'ipAdapters'>,
  options: PaintOptions,
  request: ConditionsRequest,
): Promise<GuidedImagePrompts | undefined> {
  if (ipAdapters.length === 0 && options.ipAdapterImage === undefined) return undefined;
  const { picturePrompts } = await import('./picture-prompts.ts');
  return picturePrompts(ipAdapters, options, request);
}

/**
 * Texts for several encoders, or of one, as lists of one length: one text for all prompts, or one for each.
 * @param texts by the names that messages call them; `undefined` stays so
 * @throws {InvalidArgumentError} if there are other than one or `count` of one
 */
export function alignTexts(
  texts: Readonly<Record<string, string | readonly string[] | undefined>>,
  count: number,
): readonly (readonly string[] | undefined)[] {
  const lists = Object.entries(texts).map(([name, given]) => {
    const list = given === undefined ? undefined : listOf(given);
    if (!list || list.length === 1 || list.length === count) return list;
    throw new InvalidArgumentError(
      `${name}: ${list.length} came for ${count} prompts. Give one for all or one for each.`,
    );
  });
  const rows = lists.some((list) => list && list.length > 1) ? count : 1;
  return lists.map((list) => (list?.length === 1 ? Array.from({ length: rows }, () => list[0]!) : list));
}

/** The guidance scale as an input, of networks that were distilled to take it. */
function guidanceCondition(
  { unet }: Pick<StableDiffusionParts, 'unet'>,
  { guidanceScale = 7.5 }: PaintOptions,
  pictures: number,
): Partial<UnetCondition> {
  const { timestepCondChannels: channels } = unet.config;
  if (channels === undefined) return {};
  assertScale('guidanceScale', guidanceScale, 7.5);
  return {
    timestepCond: guidanceFeatures(
      Array.from({ length: pictures }, () => guidanceScale),
      channels,
    ),
  };
}

/** Rows of texts as rows of pictures, each text as often as pictures are made of it. */
export function spreadRows(ops: TensorOps, x: Tensor, pictures: number): Tensor {
  const texts = x.dims[0]!;
  return ops.concat(
    Array.from({ length: pictures }, (_, picture) => {
      const row = Math.floor((picture * texts) / pictures);
      return ops.slice(x, row, row + 1);
    }),
  );
}

function clipEncode(
  { device: { ops } }: Pick<StableDiffusionParts, 'device'>,
  promptEncoder: Exclude<StableDiffusionParts['promptEncoder'], SdxlPromptEncoder>,
  { clipSkip, truncatePrompt, signal }: PaintOptions,
  { pictures }: ConditionsRequest,
): Encode {
  return async (texts = [''], positive) => {
    // diffusers skips layers for the prompt only.
    const skip = positive ? clipSkip : undefined;
    const encoded = await promptEncoder.encode(texts, { clipSkip: skip, truncatePrompt, signal });
    return { encoderHiddenStates: spreadRows(ops, encoded, pictures) };
  };
}

/** Stable Diffusion XL: beside the text the network is told sizes and the place of a crop (Podell et al. 2023, section 2.2). */
function sdxlEncode(
  {
    device: { ops },
    forceZerosForEmptyPrompt = false,
    requiresAestheticsScore = false,
  }: Omit<StableDiffusionParts, 'vae' | 'schedulerConfig'>,
  promptEncoder: SdxlPromptEncoder,
  options: PaintOptions,
  { prompts, pictures, ...size }: ConditionsRequest,
): Encode {
  const { clipSkip, truncatePrompt, signal } = options;
  return async (texts, positive) => {
    const second = positive ? options.prompt2 : options.negativePrompt2;
    const name = positive ? 'prompt' : 'negativePrompt';
    const [first, prompts2] = alignTexts({ [name]: texts ?? '', [`${name}2`]: second }, prompts.length);
    const encoded = await promptEncoder.encode(first!, {
      prompts2,
      // diffusers skips layers for the prompt only.
      clipSkip: positive ? clipSkip : undefined,
      truncatePrompt,
      signal,
    });
    const blank = texts === undefined && second === undefined && forceZerosForEmptyPrompt;
    const rows = (x: Tensor) => spreadRows(ops, blank ? zeros(x.dims) : x, pictures);
    const ids = timeIdsOf(options, size, requiresAestheticsScore, positive);
    const timeIds = tensor(Array.from({ length: pictures }, () => ids).flat(), [pictures, ids.length]);
    return {
      encoderHiddenStates: rows(encoded.promptEmbeds),
      addedConditions: { textEmbeds: rows(encoded.pooledPromptEmbeds), timeIds },
    };
  };
}

/** What the network is told of the picture: its size, where it was cropped, and what that was brought to, or, of a refiner, how beautiful it is. */
function timeIdsOf(
  options: PaintOptions,
  { height, width }: Pick<ConditionsRequest, 'height' | 'width'>,
  scored: boolean,
  positive: boolean,
): readonly number[] {
  const {
    originalSize = [height, width],
    targetSize = [height, width],
    cropsCoordsTopLeft = [0, 0],
    aestheticScore = 6,
    negativeOriginalSize = originalSize,
    negativeTargetSize = targetSize,
    negativeCropsCoordsTopLeft = scored ? [0, 0] : cropsCoordsTopLeft,
    negativeAestheticScore = 2.5,
  } = options;
  return positive
    ? [...originalSize, ...cropsCoordsTopLeft, ...(scored ? [aestheticScore] : targetSize)]
    : [
        ...negativeOriginalSize,
        ...negativeCropsCoordsTopLeft,
        ...(scored ? [negativeAestheticScore] : negativeTargetSize),
      ];
}
