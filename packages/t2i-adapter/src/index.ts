export { type LoadT2iAdapterOptions, loadT2iAdapter, type T2iAdapter } from './load-t2i-adapter.ts';
export { pixelUnshuffle } from './pixel-unshuffle.ts';
export { t2iAdapter } from './t2i-adapter.ts';
export {
  type AdapterBlock,
  type AdapterType,
  adapterBlocks,
  adapterTypes,
  parseT2iAdapterConfig,
  type T2iAdapterConfig,
} from './t2i-adapter-config.ts';
export { type WeightedFeatures, weighFeatures } from './weigh-features.ts';
