export { vaeDecoder, vaeEncoder } from './autoencoder-kl.ts';
export { tinyDecoder, tinyEncoder } from './autoencoder-tiny.ts';
export { decodeByTiles, type TiledDecoder, type TilingOptions } from './decode-by-tiles.ts';
export { encodeByTiles } from './encode-by-tiles.ts';
export {
  type LatentFamily,
  type LatentProjection,
  latentFamilies,
  latentProjectionOf,
  latentProjections,
  projectLatents,
} from './latent-preview.ts';
export type { LatentSpace } from './latent-space.ts';
export {
  type DecodeOptions,
  type EncodeOptions,
  type LatentDistribution,
  type LoadOptions,
  loadVae,
  type Vae,
} from './load-vae.ts';
export type { VaeMemory } from './tiled-memory.ts';
export { parseTinyVaeConfig, type TinyVaeConfig } from './tiny-vae-config.ts';
export { parseVaeConfig, type VaeConfig } from './vae-config.ts';
