// The U-Net of denoising diffusion on pixels (Ho et al. 2020; Dhariwal and Nichol 2021), diffusers' UNet2DModel, as a graph.
import { NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { Unet2dConfig } from './unet-2d-config.ts';
import { unetDecoder } from './unet-decoder.ts';
import { unetEncoder } from './unet-encoder.ts';
import type { Sizes } from './up-blocks.ts';

/**
 * Writes the graph of a U-Net without text.
 *
 * Inputs: `sample`, `timestep_features` and, where there are classes, `class_labels`, as those of `unet2dCondition`.
 * Output: `model_output` `[batch, outChannels, height, width]`.
 * @throws {WeightError} if the weights do not match the configuration
 */
export function unet2d(
  name: string,
  config: Unet2dConfig,
  w: WeightScope,
  dialect: Dialect,
  sizes: Sizes,
): Model {
  const n = new NetworkBuilder(name, dialect);
  unetDecoder(unetEncoder(n, config, w), w, config, sizes);
  return n.build();
}
