export { NonFiniteError, SourceNotFoundError, UnsupportedModelError } from './errors.ts';
export { type LoadEvent, type LoadPipelineOptions, loadPipeline, type Pipeline } from './load-pipeline.ts';
export { type AnsweredQuestion, type RunSamplerOptions, runSampler, type StepEvent } from './run-sampler.ts';
export {
  type ImageToImageOptions,
  imageToImage,
  type PaintOptions,
  type PaintResult,
  type PaintStepEvent,
  type StableDiffusionParts,
  type TextToImageOptions,
  textToImage,
} from './stable-diffusion.ts';
export { unetDenoiser } from './unet-denoiser.ts';
