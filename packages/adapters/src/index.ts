export { type AdapterKind, adapterKindOf, adapterKinds } from './adapter-kind.ts';
export { AdapterMismatchError } from './errors.ts';
export {
  evaluateActivation,
  type HypernetworkActivation,
  hypernetworkActivations,
} from './hypernetwork/activations.ts';
export { applyHypernetwork } from './hypernetwork/apply-hypernetwork.ts';
export {
  type Hypernetwork,
  type HypernetworkLayer,
  type HypernetworkLayerNorm,
  type HypernetworkLinear,
  type HypernetworkNonlinearity,
  type HypernetworkPair,
  type HypernetworkSettings,
  layerNormEpsilon,
} from './hypernetwork/hypernetwork.ts';
export { readHypernetwork } from './hypernetwork/read-hypernetwork.ts';
export { writeHypernetwork } from './hypernetwork/write-hypernetwork.ts';
export { type LoraAlgorithm, loraAlgorithms } from './lora/algorithms.ts';
export { type LoadLoraOptions, type Lora, loadLora } from './lora/load-lora.ts';
export type { LoraReport, LoraTarget } from './lora/lora-report.ts';
export { mergeBias, mergeWeight, type Weighted } from './merge-change.ts';
export { type ModelModules, type Modules, modulesOf } from './model-modules.ts';
export {
  type Component,
  components,
  type FullChange,
  type LowRankChange,
  type ModuleChange,
  type WeightChange,
} from './module-change.ts';
export { bundledEmbedding } from './textual-inversion/bundled-embedding.ts';
export {
  type ReadTextualInversionOptions,
  readTextualInversion,
} from './textual-inversion/read-textual-inversion.ts';
export type {
  EmbeddingEncoder,
  EmbeddingVectors,
  TextualInversion,
} from './textual-inversion/textual-inversion.ts';
