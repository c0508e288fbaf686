// Previews without a network: each latent pixel's colour as a linear function of its channels (Timothy Alexis Vass 2023,
// "Explaining the SDXL latent space"; keturn 2022, "Decoding latents to RGB without upscaling").
import { ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import type { LatentSpace } from './latent-space.ts';

/** A linear map from latents of diffusion to colours. */
export interface LatentProjection {
  /** `[latentChannels][3]`: what a channel adds to red, green and blue, which go from -1 to 1. */
  readonly factors: readonly (readonly [red: number, green: number, blue: number])[];
  /** The colour of latents of zero. */
  readonly bias: readonly [red: number, green: number, blue: number];
}

/** The families of autoencoders whose latents have a known projection. */
export const latentFamilies = ['sd1', 'sdxl', 'sd3', 'flux'] as const;
export type LatentFamily = (typeof latentFamilies)[number];

/** The projections, fitted by others to decoded pictures: the figures of ComfyUI's latent_formats.py. */
export const latentProjections: { readonly [Family in LatentFamily]: LatentProjection } = {
  // Stable Diffusion 1 and 2
  sd1: {
    factors: [
      [0.3512, 0.2297, 0.3227],
      [0.325, 0.4974, 0.235],
      [-0.2829, 0.1762, 0.2721],
      [-0.212, -0.2616, -0.7177],
    ],
    bias: [0, 0, 0],
  },
  sdxl: {
    factors: [
      [0.3651, 0.4232, 0.4341],
      [-0.2533, -0.0042, 0.1068],
      [0.1076, 0.1111, -0.0362],
      [-0.3165, -0.2492, -0.2188],
    ],
    bias: [0.1084, -0.0175, -0.0011],
  },
  sd3: {
    factors: [
      [-0.0922, -0.0175, 0.0749],
      [0.0311, 0.0633, 0.0954],
      [0.1994, 0.0927, 0.0458],
      [0.0856, 0.0339, 0.0902],
      [0.0587, 0.0272, -0.0496],
      [-0.0006, 0.1104, 0.0309],
      [0.0978, 0.0306, 0.0427],
      [-0.0042, 0.1038, 0.1358],
      [-0.0194, 0.002, 0.0669],
      [-0.0488, 0.013, -0.0268],
      [0.0922, 0.0988, 0.0951],
      [-0.0278, 0.0524, -0.0542],
      [0.0332, 0.0456, 0.0895],
      [-0.0069, -0.003, -0.081],
      [-0.0596, -0.0465, -0.0293],
      [-0.1448, -0.1463, -0.1189],
    ],
    bias: [0.2394, 0.2135, 0.1925],
  },
  flux: {
    factors: [
      [-0.0346, 0.0244, 0.0681],
      [0.0034, 0.021, 0.0687],
      [0.0275, -0.0668, -0.0433],
      [-0.0174, 0.016, 0.0617],
      [0.0859, 0.0721, 0.0329],
      [0.0004, 0.0383, 0.0115],
      [0.0405, 0.0861, 0.0915],
      [-0.0236, -0.0185, -0.0259],
      [-0.0245, 0.025, 0.118],
      [0.1008, 0.0755, -0.0421],
      [-0.0515, 0.0201, 0.0011],
      [0.0428, -0.0012, -0.0036],
      [0.0817, 0.0765, 0.0749],
      [-0.1264, -0.0522, -0.1103],
      [-0.028, -0.0881, -0.0499],
      [-0.1262, -0.0982, -0.0778],
    ],
    bias: [-0.0329, -0.0718, -0.0851],
  },
};

/** Channels and scaling factor by which an autoencoder's latents are told. */
const marks: { readonly [Family in LatentFamily]: readonly [latentChannels: number, scalingFactor: number] } =
  {
    sd1: [4, 0.18215],
    sdxl: [4, 0.13025],
    sd3: [16, 1.5305],
    flux: [16, 0.3611],
  };

/** The projection for an autoencoder's latents, told by their channels and scaling factor; `undefined` if none is known. */
export function latentProjectionOf({
  latentChannels,
  scalingFactor,
}: Pick<LatentSpace, 'latentChannels' | 'scalingFactor'>): LatentProjection | undefined {
  const family = latentFamilies.find(
    (name) => marks[name][0] === latentChannels && Math.abs(marks[name][1] - scalingFactor) < 1e-6,
  );
  return family && latentProjections[family];
}

/**
 * A picture of latents, one pixel for each of theirs.
 * @param latents of diffusion (scaled, best the denoised ones), `[batch, latentChannels, height, width]`
 * @returns `[batch, 3, height, width]` in [0, 1]
 * @throws {ShapeError} if the latents have other channels than the projection
 */
export function projectLatents({ dims, data }: Tensor, { factors, bias }: LatentProjection): Tensor {
  const [batch = 0, channels, height = 0, width = 0] = dims;
  if (dims.length !== 4 || channels !== factors.length) {
    throw new ShapeError(
      `preview: the latents are [${dims.join(', ')}], this projection takes [batch, ${factors.length}, height, width]. Take the one of latentProjectionOf(vae.config).`,
    );
  }
  const area = height * width;
  const picture = new Float32Array(batch * 3 * area);
  for (let sample = 0; sample < batch; sample++) {
    for (let colour = 0; colour < 3; colour++) {
      for (let i = 0; i < area; i++) {
        let value = bias[colour]!;
        for (let c = 0; c < channels; c++)
          value += factors[c]![colour]! * data[(sample * channels + c) * area + i]!;
        picture[(sample * 3 + colour) * area + i] = Math.min(Math.max((value + 1) / 2, 0), 1);
      }
    }
  }
  return tensor(picture, [batch, 3, height, width]);
}
