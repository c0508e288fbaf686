// Pictures as prompts (Ye et al. 2023, IP-Adapter): beside the text, layers attend to tokens of pictures, by keys and values of their own.
import type { Weight, Weights } from '@emulsion/checkpoints';
import { attention, linear, type NetworkBuilder, WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import {
  InvalidArgumentError,
  ShapeError,
  type Tensor,
  type TensorOps,
  tensor,
  zeros,
} from '@emulsion/tensor';
import type { BlockConfig, UnetConfig, UnetEncoderConfig } from './unet-config.ts';

/** A picture, or several that count as one, which a U-Net attends to. */
export interface ImagePrompt {
  /** An IP-Adapter's key and value projections: `1.to_k_ip.weight`, `1.to_v_ip.weight`, `3.to_k_ip.weight` and so on. */
  readonly attention: Weights;
  /** `[batch, tokens, crossAttentionDim]` */
  readonly tokens: Tensor;
  /** How much it counts, 0 is not at all: for all layers, or for each of `crossAttentionLayers`; 1 unless said otherwise. */
  readonly scale?: number | readonly number[] | undefined;
  /** Where it counts, `[1, 1, height, width]` from 0 to 1, resized to what a layer sees; everywhere unless given. */
  readonly mask?: Tensor | undefined;
}

/** A layer that attends to the text. */
export interface CrossAttentionLayer {
  /** Path of its weights. */
  readonly path: string;
  readonly channels: number;
  /** How often the sample was halved. */
  readonly level: number;
}

/** The layers that attend to the text, in the order that IP-Adapters number them: the way down, the way up, the middle. */
export function crossAttentionLayers(config: UnetConfig): CrossAttentionLayer[] {
  const { downBlocks, upBlocks, midBlock } = config;
  const deepest = downBlocks.length - 1;
  const layersOf = (block: BlockConfig, path: string, level: number): CrossAttentionLayer[] =>
    block.attention !== 'text'
      ? []
      : Array.from({ length: block.layers }, (_, layer) =>
          Array.from({ length: block.transformerLayers[layer]! }, (_, i) => ({
            path: `${path}.attentions.${layer}.transformer_blocks.${i}.attn2`,
            channels: block.channels,
            level,
          })),
        ).flat();
  return [
    ...downBlocks.flatMap((block, i) => layersOf(block, `down_blocks.${i}`, i)),
    ...upBlocks.flatMap((block, i) => layersOf(block, `up_blocks.${i}`, deepest - i)),
    ...(midBlock ? layersOf(midBlock, 'mid_block', deepest) : []),
  ];
}

/** Names of a layer's projections in an IP-Adapter: layers among the pixels are counted, and have none. */
const projection = (layer: number, of: 'k' | 'v') => `${2 * layer + 1}.to_${of}_ip`;

/**
 * @throws {InvalidArgumentError} if an IP-Adapter's projections are not for a U-Net of this configuration
 */
export function assertImageAdapter(config: UnetConfig, weights: Weights): void {
  const { crossAttentionDim } = config;
  const layers = crossAttentionLayers(config);
  for (const [i, { path, channels }] of layers.entries()) {
    for (const half of ['k', 'v'] as const) {
      const name = `${projection(i, half)}.weight`;
      const dims = weights.get(name)?.dims;
      if (dims?.length === 2 && dims[0] === channels && dims[1] === crossAttentionDim) continue;
      throw new InvalidArgumentError(
        `ip-adapter: "${name}" is ${dims ? `[${dims.join(', ')}]` : 'missing'}, for ${path} of this U-Net it must be [${channels}, ${crossAttentionDim}]. Use an IP-Adapter that was trained for this model.`,
      );
    }
  }
  const beyond = `${projection(layers.length, 'k')}.weight`;
  if (weights.has(beyond)) {
    throw new InvalidArgumentError(
      `ip-adapter: it has a "${beyond}", and this U-Net only ${layers.length} layers that attend to the text. Use an IP-Adapter that was trained for this model.`,
    );
  }
}

/** What of image prompts is written into a graph. */
export interface ImagePromptSlot {
  readonly attention: Weights;
  readonly masked: boolean;
}

/** What is written into a graph for a prompt. */
export const imagePromptSlot = ({ attention: weights, mask }: ImagePrompt): ImagePromptSlot => ({
  attention: weights,
  masked: mask !== undefined,
});

/** Whether a graph for some prompts is one for others too. */
export const isSamePrompts = (
  some: readonly ImagePromptSlot[],
  others: readonly ImagePromptSlot[],
): boolean =>
  some.length === others.length &&
  some.every((slot, i) => slot.attention === others[i]!.attention && slot.masked === others[i]!.masked);

/** What an attention layer made of the text, and what it makes of the pictures. */
export type AttendPictures = (
  mixed: Value,
  query: Value,
  path: string,
  shape: { channels: number; heads: number },
) => Value;

/** Weights under names that no other slot's have. */
function renamed(weights: Weights, prefix: string): Weights {
  return new Map(
    [...weights].map(([name, weight]): [string, Weight] => [name, { ...weight, name: `${prefix}.${name}` }]),
  );
}

/**
 * Writes the inputs of image prompts, float32: for each slot `image_tokens_0` `[batch, tokens, crossAttentionDim]` and
 * `image_scales_0` `[layers]`; of masked ones, for each level of the U-Net, `image_mask_0_0` `[1, pixels, 1]`.
 */
export function imagePromptInputs(
  n: NetworkBuilder,
  config: UnetConfig,
  slots: readonly ImagePromptSlot[],
): AttendPictures {
  const { crossAttentionDim, downBlocks } = config;
  const layers = crossAttentionLayers(config);
  const places = new Map(layers.map(({ path }, i) => [path, i]));
  // Slots of one adapter share its weights.
  const adapters = [...new Set(slots.map(({ attention: weights }) => weights))];
  const scopes = adapters.map((weights, i) =>
    WeightScope.of('ip-adapter', renamed(weights, `image_prompts.${i}`)),
  );
  const inputs = slots.map(({ attention: weights, masked }, i) => ({
    weights: scopes[adapters.indexOf(weights)]!,
    tokens: n.input(`image_tokens_${i}`, 'float32', ['batch', `image_tokens_${i}`, crossAttentionDim]),
    scales: n.input(`image_scales_${i}`, 'float32', [layers.length]),
    masks: masked
      ? downBlocks.map((_, level) => n.input(`image_mask_${i}_${level}`, 'float32', [1, undefined, 1]))
      : undefined,
  }));
  return (mixed, query, path, { channels, heads }) => {
    const place = places.get(path);
    if (place === undefined) return mixed;
    return inputs.reduce((sum, { weights, tokens, scales, masks }) => {
      const project = (of: 'k' | 'v') =>
        linear(n, tokens, weights.at(projection(place, of)), {
          inFeatures: crossAttentionDim,
          outFeatures: channels,
          bias: false,
        });
      const seen = attention(n, { query, key: project('k'), value: project('v'), channels, heads });
      const kept = masks ? n.op('Mul', [seen, masks[layers[place]!.level]!]) : seen;
      const scale = n.op('Gather', [scales, n.ints(place)], { axis: 0 });
      return n.op('Add', [sum, n.op('Mul', [kept, scale])]);
    }, mixed);
  };
}

/** Height and width of a sample after each halving. */
export function levelSizes(
  { downBlocks, downsamplePadding }: UnetEncoderConfig,
  [, , height = 0, width = 0]: readonly number[],
): { height: number; width: number }[] {
  const round = downsamplePadding === 0 ? Math.floor : Math.ceil;
  const sizes = [{ height, width }];
  for (let level = 1; level < downBlocks.length; level++) {
    const above = sizes[level - 1]!;
    sizes.push({ height: round(above.height / 2), width: round(above.width / 2) });
  }
  return sizes;
}

/**
 * What the inputs of `imagePromptInputs` are fed; without prompts nothing that changes the output.
 * @throws {ShapeError} if tokens have another shape than the network takes, {InvalidArgumentError} if scales are not
 * one for each layer
 */
export function imagePromptFeeds(
  config: UnetConfig,
  slots: readonly ImagePromptSlot[],
  prompts: readonly ImagePrompt[] | undefined,
  dims: readonly number[],
  ops: TensorOps,
): Record<string, Tensor> {
  const [batch = 0] = dims;
  const { crossAttentionDim } = config;
  const count = crossAttentionLayers(config).length;
  const sizes = levelSizes(config, dims);
  const feeds: Record<string, Tensor> = {};
  for (const [i, { masked }] of slots.entries()) {
    const prompt = prompts?.[i];
    const tokens = prompt?.tokens ?? zeros([batch, 1, crossAttentionDim]);
    if (tokens.dims.length !== 3 || tokens.dims[0] !== batch || tokens.dims[2] !== crossAttentionDim) {
      throw new ShapeError(
        `unet: "imagePrompts[${i}].tokens" is [${tokens.dims.join(', ')}], this model takes [${batch}, any, ${crossAttentionDim}]. Use an IP-Adapter that was trained for it.`,
      );
    }
    feeds[`image_tokens_${i}`] = tokens;
    feeds[`image_scales_${i}`] = tensor(scalesOf(prompt, count), [count]);
    if (!masked) continue;
    for (const [level, { height, width }] of sizes.entries()) {
      const mask = prompt?.mask && ops.interpolate(prompt.mask, height, width, 'bicubic');
      feeds[`image_mask_${i}_${level}`] = tensor(mask?.data ?? new Float32Array(height * width), [
        1,
        height * width,
        1,
      ]);
    }
  }
  return feeds;
}

function scalesOf(prompt: ImagePrompt | undefined, count: number): Float32Array {
  const scale = prompt ? (prompt.scale ?? 1) : 0;
  const scales = typeof scale === 'number' ? Array.from({ length: count }, () => scale) : scale;
  if (scales.length === count && scales.every(Number.isFinite)) return Float32Array.from(scales);
  throw new InvalidArgumentError(
    `ip-adapter: the scale is [${scales.join(', ')}]; one number for all layers is wanted, or one for each of ${count}.`,
  );
}
