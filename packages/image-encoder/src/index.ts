export { clipPixels } from './clip-pixels.ts';
export { type ClipVisionConfig, parseClipVisionConfig } from './clip-vision-config.ts';
export { clipVisionModel } from './clip-vision-model.ts';
export {
  type ImageEmbeds,
  type ImageEncoder,
  type LoadOptions,
  loadImageEncoder,
} from './load-image-encoder.ts';
