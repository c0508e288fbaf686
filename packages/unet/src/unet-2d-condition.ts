// The U-Net of Stable Diffusion (Rombach et al. 2022), diffusers' UNet2DConditionModel, as a graph.
import {
  type AdapterSlots,
  type ContextChange,
  contextChanges,
  NetworkBuilder,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { type ImagePromptSlot, imagePromptInputs } from './image-prompts.ts';
import { intrablockInputs } from './intrablock-features.ts';
import type { UnetConfig } from './unet-config.ts';
import { unetDecoder } from './unet-decoder.ts';
import { unetEncoder } from './unet-encoder.ts';
import type { Sizes } from './up-blocks.ts';

/** Which of the graphs of one U-Net. */
export interface UnetVariant {
  readonly sizes: Sizes;
  /** Whether it takes what ControlNets add to what the way down leaves, and to the middle. */
  readonly residuals: boolean;
  /** Whether it takes what T2I-Adapters add to the features of the way down; not unless said otherwise. */
  readonly features?: boolean;
  /** Pictures that it attends to beside the text, by IP-Adapters; none unless given. */
  readonly imagePrompts?: readonly ImagePromptSlot[];
  /** Where adapters may enter; nowhere unless said otherwise. */
  readonly slots?: AdapterSlots;
  /** What adapters add to what the attention layers read, in this order; nothing unless given. */
  readonly contexts?: readonly ContextChange[];
}

/**
 * Writes the graph of a U-Net.
 *
 * Inputs, float32 unless said otherwise: `sample` `[batch, inChannels, height, width]`, `timestep_features` `[batch,
 * channels of the first block]` (see `timestepFeatures`), `encoder_hidden_states` `[batch, sequence,
 * crossAttentionDim]`. Where the configuration asks for them: `timestep_cond` `[batch, timestepCondChannels]`;
 * `class_labels`, int32 `[batch]` for a table, otherwise `[batch, features of the label]`; `added_conditions` `[batch,
 * addition.channels]`, the pooled text and then the features of the time ids. With residuals: `down_block_residual_0` to
 * as many as there are skips, and `mid_block_residual`, each of the shape of what it is added to, or `[1, 1, 1, 1]`. With
 * features: see `intrablockInputs`, with image prompts `imagePromptInputs`, with slots `slotInputs` of
 * @emulsion/nn, with changes of contexts their strengths `context_strengths` `[changes]`.
 * Output: `model_output` `[batch, outChannels, height, width]`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function unet2dCondition(
  name: string,
  config: UnetConfig,
  w: WeightScope,
  dialect: Dialect,
  { sizes, residuals, features = false, imagePrompts = [], slots, contexts = [] }: UnetVariant,
): Model {
  const n = new NetworkBuilder(name, dialect, slots);
  const { network, skips, middle } = unetEncoder(n, config, w, {
    changeContext: contextChanges(n, contexts),
    ...(features && { addFeatures: intrablockInputs(n, config) }),
    ...(imagePrompts.length > 0 && { attendPictures: imagePromptInputs(n, config, imagePrompts) }),
  });
  const add = (to: Value, residual: string) =>
    residuals ? n.op('Add', [n.input(residual, 'float32', Array(4).fill(undefined)), to]) : to;
  const led = skips.map(({ value, channels }, i) => ({
    value: add(value, `down_block_residual_${i}`),
    channels,
  }));
  unetDecoder({ network, skips: led, middle: add(middle, 'mid_block_residual') }, w, config, sizes);
  return n.build();
}
