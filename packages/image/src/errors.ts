// What can be wrong with a picture.
import { EmulsionError } from '@emulsion/tensor';

/** A file is not a PNG, or a damaged one; or a tensor is not a picture. */
export class ImageError extends EmulsionError {
  static override readonly className = 'ImageError';
}
