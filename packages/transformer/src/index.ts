export { type FluxTransformerConfig, parseFluxTransformerConfig } from './flux-config.ts';
export { packLatents, patchPositions, unpackLatents } from './flux-tokens.ts';
export { fluxTransformer } from './flux-transformer.ts';
export {
  type FluxTransformer,
  type FluxTransformerInputs,
  loadFluxTransformer,
} from './load-flux-transformer.ts';
export {
  type LoadOptions,
  loadSd3Transformer,
  type Sd3Transformer,
  type Sd3TransformerInputs,
} from './load-sd3-transformer.ts';
export { type RotaryTables, rotaryTables } from './rotary-positions.ts';
export { parseSd3TransformerConfig, type Sd3TransformerConfig } from './sd3-config.ts';
export { sd3Transformer } from './sd3-transformer.ts';
