// What every autoencoder of latent diffusion says of its latents.

/** The pictures that an autoencoder takes and the latents that it makes of them. */
export interface LatentSpace {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly latentChannels: number;
  /** Latents of diffusion are `(z − shiftFactor) · scalingFactor` of what the encoder gives. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /** Height and width of a picture by those of its latents. */
  readonly scale: number;
}
