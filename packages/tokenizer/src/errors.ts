// Errors of reading tokenizers.
import { EmulsionError } from '@emulsion/tensor';

/** A file of a tokenizer is missing, or does not hold what it should. */
export class TokenizerFileError extends EmulsionError {
  static override readonly className = 'TokenizerFileError';
  /** Name of the file, as in the tokenizer's folder. */
  readonly fileName: string;

  constructor(fileName: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fileName = fileName;
  }
}
