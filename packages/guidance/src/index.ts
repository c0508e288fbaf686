export { assertScale } from './assert-scale.ts';
export {
  type ClassifierFreeGuidanceOptions,
  classifierFreeGuidance,
  type Guided,
  guidanceWithNegative,
  type OutputWithNegative,
} from './classifier-free-guidance.ts';
export type { Denoiser, Evaluation } from './denoiser.ts';
export {
  type Instructed,
  type InstructPix2PixGuidanceOptions,
  instructPix2PixGuidance,
} from './instruct-pix2pix-guidance.ts';
