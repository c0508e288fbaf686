// The weights of a network's checkpoint, of which some may be replaced.
import { type Folder, readTensor, type Weight, type Weights } from '@emulsion/checkpoints';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';

/** Weights by name, as they lie in a folder or as they were replaced. */
export class NetworkWeights {
  readonly #network: string;
  readonly #folder: Folder;
  readonly #weights: Map<string, Weight>;
  readonly #replaced = new Map<string, Tensor>();

  /** @param network what messages call it */
  constructor(network: string, folder: Folder, stored: Weights) {
    this.#network = network;
    this.#folder = folder;
    this.#weights = new Map(stored);
  }

  /** Changes when weights are replaced. */
  get weights(): Weights {
    return this.#weights;
  }

  /** The values of a weight. @throws {InvalidArgumentError} if there is none of that name */
  async read(name: string): Promise<Tensor> {
    const replaced = this.#replaced.get(name);
    if (replaced) return replaced;
    const weight = this.#weights.get(name);
    if (weight) return readTensor(this.#folder, weight);
    throw new InvalidArgumentError(`${this.#network}: the checkpoint has no weight "${name}".`);
  }

  /** Puts tensors in the place of weights, or beside them. */
  replace(tensors: ReadonlyMap<string, Tensor>): void {
    for (const [name, tensor] of tensors) {
      const { dims, data } = tensor;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const file = { kind: 'bytes', name: `${this.#network} ${name}`, bytes } as const;
      const range = { file, offset: 0, length: bytes.length };
      this.#weights.set(name, { name, dtype: 'float32', dims, path: file.name, range });
      this.#replaced.set(name, tensor);
    }
  }
}
