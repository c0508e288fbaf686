export {
  type Component,
  components,
  type FullChange,
  type LowRankChange,
  type ModuleChange,
  type WeightChange,
} from './module-change.ts';
