// The tensors that a file has for one module, and what to say when they are not as they should be.
import { type Folder, InvalidFileError, UnsupportedFileError } from '@emulsion/checkpoints';
import type { Tensor } from '@emulsion/tensor';
import type { Part } from './lora-key.ts';

/** A tensor with its name in the file. */
export interface NamedTensor {
  readonly key: string;
  readonly tensor: Tensor;
}

/** The change of one module as it stands in a file. */
export class FileModule {
  /** The module as the file names it. */
  readonly name: string;
  readonly #folder: Folder;
  readonly #path: string;
  readonly #tensors: ReadonlyMap<Part, NamedTensor>;
  /** Alpha over rank, by the configuration beside the weights, where the module has no alpha of its own. */
  readonly #scaling: (rank: number) => number;

  constructor(
    name: string,
    file: { readonly folder: Folder; readonly path: string },
    tensors: ReadonlyMap<Part, NamedTensor>,
    scaling: (rank: number) => number,
  ) {
    this.name = name;
    this.#folder = file.folder;
    this.#path = file.path;
    this.#tensors = tensors;
    this.#scaling = scaling;
  }

  has(part: Part): boolean {
    return this.#tensors.has(part);
  }

  get(part: Part): Tensor | undefined {
    return this.#tensors.get(part)?.tensor;
  }

  /** @throws {InvalidFileError} if the file lacks the part */
  need(part: Part): Tensor {
    const found = this.get(part);
    if (found) return found;
    const [other] = this.#tensors.values();
    throw this.invalid(
      `it has ${JSON.stringify(other?.key ?? this.name)} without the "${part}" of that module`,
    );
  }

  /** The first element of a part that is a number; `undefined` if it is not there. */
  number(part: Part): number | undefined {
    return this.get(part)?.data[0];
  }

  /** What the product of the factors is multiplied by: `scale`, or alpha / rank, or 1. */
  scaling(rank: number): number {
    const alpha = this.number('alpha');
    return this.number('scale') ?? (alpha === undefined || rank === 0 ? this.#scaling(rank) : alpha / rank);
  }

  /** @throws {InvalidFileError} if two of the factors do not fit each other */
  assertEqual(part: Part, size: number, wanted: number): void {
    if (size === wanted) return;
    const { key, tensor } = this.#tensors.get(part)!;
    throw this.invalid(
      `${JSON.stringify(key)} is [${tensor.dims.join(', ')}], which does not fit the other factors of its module`,
    );
  }

  invalid(problem: string): InvalidFileError {
    return new InvalidFileError(this.#folder, this.#path, problem);
  }

  /** What is thrown for a module that the file has whole and the model in parts, where the change cannot be split. */
  inseparable(): UnsupportedFileError {
    return new UnsupportedFileError(
      this.#folder,
      this.#path,
      `its change of ${JSON.stringify(this.name)} mixes rows that this model has in several modules`,
      'Use a LoRA, LoHa or LoKr instead.',
    );
  }
}
