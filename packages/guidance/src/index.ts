export {
  type ClassifierFreeGuidanceOptions,
  classifierFreeGuidance,
  type Guided,
} from './classifier-free-guidance.ts';
export type { Denoiser, Evaluation } from './denoiser.ts';
