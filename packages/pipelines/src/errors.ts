// What can be wrong with a request for a picture, or with the model that is asked.
import { EmulsionError } from '@emulsion/tensor';

/** The model is of a kind that there is no pipeline for. */
export class UnsupportedModelError extends EmulsionError {
  static override readonly className = 'UnsupportedModelError';
}

/** The prompt has more tokens than the text encoder reads. */
export class PromptTooLongError extends EmulsionError {
  static override readonly className = 'PromptTooLongError';
  readonly tokens: number;
  readonly limit: number;

  constructor(tokens: number, limit: number, unread: string) {
    super(
      `The prompt is ${tokens} tokens long, this model reads ${limit}: from "${unread}" on it would be ignored. Shorten it, or have it cut there with truncatePrompt (--truncate-prompt).`,
    );
    this.tokens = tokens;
    this.limit = limit;
  }
}

/** Latents or a picture have elements that are not finite numbers. */
export class NonFiniteError extends EmulsionError {
  static override readonly className = 'NonFiniteError';
}
