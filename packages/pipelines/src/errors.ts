// What can be wrong with a request for a picture, or with the model that is asked.
import { EmulsionError } from '@emulsion/tensor';

/** The model is of a kind that there is no pipeline for. */
export class UnsupportedModelError extends EmulsionError {
  static override readonly className = 'UnsupportedModelError';
}

/** What was given as a model is neither a folder nor a model on a hub. */
export class SourceNotFoundError extends EmulsionError {
  static override readonly className = 'SourceNotFoundError';
  readonly source: string;

  constructor(source: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.source = source;
  }
}

/** Latents or a picture have elements that are not finite numbers. */
export class NonFiniteError extends EmulsionError {
  static override readonly className = 'NonFiniteError';
}

/** A picture takes more memory than it may. */
export class MemoryBudgetError extends EmulsionError {
  static override readonly className = 'MemoryBudgetError';
  /** The part that takes the most. */
  readonly component: string;
  /** What the picture takes at least, and what it may. */
  readonly neededBytes: number;
  readonly budgetBytes: number;

  constructor(
    of: { readonly component: string; readonly neededBytes: number; readonly budgetBytes: number },
    message: string,
  ) {
    super(message);
    this.component = of.component;
    this.neededBytes = of.neededBytes;
    this.budgetBytes = of.budgetBytes;
  }
}
