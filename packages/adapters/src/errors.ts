// What can be wrong between an adapter and the model that it is to change.
import { EmulsionError } from '@emulsion/tensor';

/** An adapter is sound, but made for another model: its names are not the model's, or a weight has another shape. */
export class AdapterMismatchError extends EmulsionError {
  static override readonly className = 'AdapterMismatchError';
  /** The file, with its folder. */
  readonly file: string;
  /** What the file says that it is for, in its own words, if it does. */
  readonly baseModel: string | undefined;

  /** @param problem what does not fit, as a part of a sentence */
  constructor(file: string, problem: string, baseModel: string | undefined, options?: ErrorOptions) {
    const says = baseModel === undefined ? '' : ` (it says that it is for ${JSON.stringify(baseModel)})`;
    super(`${file}: ${problem}${says}. Use it with the model that it was made for.`, options);
    this.file = file;
    this.baseModel = baseModel;
  }
}
