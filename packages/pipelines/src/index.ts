export {
  type AdapterInfo,
  type AdapterSource,
  Adapters,
  type AddAdapterOptions,
} from './adapters.ts';
export type { AdapterSettings, AdapterStrength } from './adapters-strength.ts';
export type { Control, ControlOptions } from './controls.ts';
export type { VaeOptions } from './decode-latents.ts';
export { MemoryBudgetError, NonFiniteError, SourceNotFoundError, UnsupportedModelError } from './errors.ts';
export type { FeatureControl, FeatureOptions } from './feature-control.ts';
export { type FewStepKind, fewStepSettings } from './few-step-settings.ts';
export type { FlowOptions, FlowParts } from './flow-transformer.ts';
export { type FluxOptions, type FluxParts, flux, loadFlux } from './flux.ts';
export { type HighResolutionOptions, highResolution } from './high-resolution.ts';
export { type ImageToImageOptions, imageToImage } from './image-to-image.ts';
export { type InpaintOptions, inpaint } from './inpaint.ts';
export { type InstructPix2PixOptions, instructPix2Pix } from './instruct-pix2pix.ts';
export { type InterpolateOptions, interpolate } from './interpolate.ts';
export { type Known, keepKnown } from './keep-known.ts';
export { latentConsistencyImageToImage } from './latent-consistency.ts';
export type { LoadPart } from './load-part.ts';
export type { IpAdapterSource, PictureAdapterOptions } from './load-picture-adapters.ts';
export {
  type LoadEvent,
  type LoadPipelineOptions,
  loadPipeline,
  type Painter,
  type Pipeline,
  type PipelineParts,
  planMemory,
  type StableDiffusionPipeline,
} from './load-pipeline.ts';
export { type MemoryOptions, PipelineMemory } from './memory.ts';
export {
  assertWithinBudget,
  type ComponentMemory,
  formatBytes,
  type MemoryPlan,
  type PlannedPictures,
} from './memory-plan.ts';
export type { FolderFile } from './open-adapter.ts';
export { type Margins, type OutpaintOptions, outpaint } from './outpaint.ts';
export type { PaintOptions, PaintResult, PaintStepEvent } from './paint-options.ts';
export type { PictureAdapter, PicturePromptOptions } from './picture-prompts.ts';
export {
  type ClassDescription,
  type PipelineClass,
  type PipelineDefaults,
  type PipelineRequest,
  paintAs,
  pipelineClasses,
  type StableDiffusionRequest,
} from './pipeline-classes.ts';
export { type PreviewMethod, type PreviewOptions, previewMethods } from './preview-latents.ts';
export { type AnsweredQuestion, type RunSamplerOptions, runSampler, type StepEvent } from './run-sampler.ts';
export { createSeededNoise, type Seed, type SeededNoise, type SeedOptions } from './seeded-noise.ts';
export {
  loadStableDiffusion3,
  type StableDiffusion3Options,
  type StableDiffusion3Parts,
  stableDiffusion3,
} from './stable-diffusion-3.ts';
export type { LowResolution, StableDiffusionParts } from './stable-diffusion-parts.ts';
export { type TextToImageOptions, textToImage } from './text-to-image.ts';
export type { TransformerRequest } from './transformer-classes.ts';
export {
  loadUnconditional,
  type UnconditionalOptions,
  type UnconditionalParts,
  type UnconditionalPipeline,
  type UnconditionalResult,
  unconditional,
} from './unconditional.ts';
export { type UnetCondition, unetDenoiser } from './unet-denoiser.ts';
export { type UpscaleOptions, upscale } from './upscale.ts';
