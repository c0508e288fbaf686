// Whether a ControlNet is for a model: what it reads, and the features of the U-Net that it adds to.
import type { ControlNet } from '@emulsion/controlnet';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { UnetConfig, UnetEncoderConfig } from '@emulsion/unet';
import type { LatentSpace } from '@emulsion/vae';

/** The parts of a model that a ControlNet has to fit. */
export interface ControlledModel {
  readonly unet: { readonly config: UnetConfig };
  readonly vae: { readonly config: Pick<LatentSpace, 'latentChannels'> };
}

/** @throws {InvalidArgumentError} if a ControlNet was trained for another model */
export function assertControlNet(
  { unet, vae }: ControlledModel,
  { config }: Pick<ControlNet, 'config'>,
): void {
  const added = addedOf(unet.config);
  const facts = [
    // It sees the latents alone, also where its U-Net sees a mask or a picture beside them.
    ['latents', `${config.inChannels} channels`, `${vae.config.latentChannels} channels`],
    ['texts', textOf(config), textOf(unet.config)],
    ['blocks', blocksOf(config), blocksOf(unet.config)],
    // It may do without what its U-Net is told besides.
    ['added conditions', config.addition ? addedOf(config) : added, added],
  ] as const;
  for (const [what, own, wanted] of facts) {
    if (own === wanted) continue;
    throw new InvalidArgumentError(
      `controlnet: its ${what} have ${own}, and those of this model ${wanted}. Use a ControlNet that was trained for this model.`,
    );
  }
}

/** Of a text as it comes. */
const textOf = ({ encoderHiddenDim, crossAttentionDim }: UnetEncoderConfig) =>
  `${encoderHiddenDim ?? crossAttentionDim} channels`;

/** What the features that leave between the blocks are counted and sized by. */
const blocksOf = ({ downBlocks }: UnetEncoderConfig) =>
  `${downBlocks.map((block) => block.channels).join(', ')} channels in ${downBlocks.map((block) => block.layers).join(', ')} layers`;

/** What is given besides; a text that is pooled comes anyway. */
const addedOf = ({ addition }: UnetEncoderConfig) =>
  addition?.kind === 'text_time'
    ? `${addition.channels} channels, ${addition.timeIdChannels} for each number`
    : 'no channels';
