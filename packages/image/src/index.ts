export { ImageError } from './errors.ts';
export {
  formatGenerationParameters,
  type GenerationParameters,
  parseGenerationParameters,
} from './generation-parameters.ts';
export { decodePng, type EncodePngOptions, encodePng } from './png.ts';
export { readPngText } from './png-text.ts';
export { resizeImage } from './resize-image.ts';
export { imageToTensor, type RgbImage, tensorToImages } from './rgb-image.ts';
