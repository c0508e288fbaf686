export { vaeDecoder, vaeEncoder } from './autoencoder-kl.ts';
export { type LatentDistribution, type LoadOptions, loadVae, type Vae } from './load-vae.ts';
export { parseVaeConfig, type VaeConfig } from './vae-config.ts';
