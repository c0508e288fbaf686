// The embeddings that the prompts of a model may name: added, weighed and removed without touching its weights.
import { EmulsionError, InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import type { Clip } from './clip.ts';

/** Vectors for one of a model's text encoders. */
export interface EmbeddingVectors {
  /** Whose they are, where a file says it; else it is told by their width. */
  readonly encoder?: 'clip-l' | 'clip-g' | 't5' | undefined;
  /** `[vectors, width]` */
  readonly vectors: Tensor;
}

/** An embedding: a name, and the vectors that it stands for in each text encoder that it is for. */
export interface Embedding {
  readonly name: string;
  readonly encoders: readonly EmbeddingVectors[];
}

/** An embedding does not fit the model. */
export class EmbeddingMismatchError extends EmulsionError {
  static override readonly className = 'EmbeddingMismatchError';
  readonly embedding: string;

  constructor(embedding: string, message: string) {
    super(message);
    this.embedding = embedding;
  }
}

/** The embeddings that prompts may name. */
export class PromptEmbeddings {
  readonly #clips: readonly Clip[];
  readonly #hasT5: boolean;
  readonly #names = new Set<string>();

  /**
   * @param clips the model's CLIP text encoders, in order
   * @param hasT5 whether it has a T5 besides, which learns no names
   */
  constructor(clips: readonly Clip[], hasT5 = false) {
    this.#clips = clips;
    this.#hasT5 = hasT5;
  }

  /** The names in the order in which they were added. */
  get names(): readonly string[] {
    return [...this.#names];
  }

  /**
   * Adds an embedding. Vectors for one encoder may come after those for another, under the same name.
   * @param options.strength factor on its vectors; 1, as they were trained, unless said otherwise
   * @returns what of it is not used, and which encoder reads its name as words, in sentences
   * @throws {EmbeddingMismatchError} if no encoder takes vectors as wide as its
   * @throws {InvalidArgumentError} if the name is taken or empty, or a number is not finite
   */
  add(embedding: Embedding, { strength = 1 }: { readonly strength?: number | undefined } = {}): string[] {
    const { name, encoders } = embedding;
    assertStrength(name, strength);
    assertVectors(embedding);
    const taken = this.#clips.map(() => undefined as Tensor | undefined);
    const notes: string[] = [];
    for (const part of encoders) {
      const indices = this.#indicesFor(part);
      for (const index of indices) taken[index] = part.vectors;
      if (indices.length === 0)
        notes.push(`Embedding "${name}": its vectors ${describe(part)} are not used.`);
    }
    if (taken.every((vectors) => vectors === undefined)) throw this.#mismatch(embedding);
    for (const [index, clip] of this.#clips.entries()) {
      if (!taken[index] || !clip.learnedTokens.has(name)) continue;
      throw new InvalidArgumentError(
        `Embedding "${name}": there is one of this name already. Remove that first, or give this one another name.`,
      );
    }
    for (const [index, clip] of this.#clips.entries()) {
      const vectors = taken[index];
      if (vectors) clip.learnedTokens.add(name, vectors, strength);
      else if (!clip.learnedTokens.has(name))
        notes.push(
          `Embedding "${name}": text encoder ${index + 1} has no vectors in it, and reads its name as words.`,
        );
    }
    if (this.#hasT5) notes.push(`Embedding "${name}": T5 reads its name as words.`);
    this.#names.add(name);
    return notes;
  }

  /** Changes an embedding's strength. @throws {InvalidArgumentError} if it is not finite, or there is no such embedding */
  setStrength(name: string, strength: number): void {
    this.#assertKnown(name);
    assertStrength(name, strength);
    for (const { learnedTokens } of this.#clips) learnedTokens.setStrength(name, strength);
  }

  /** Removes an embedding. @throws {InvalidArgumentError} if there is no such embedding */
  remove(name: string): void {
    this.#assertKnown(name);
    this.#names.delete(name);
    for (const { learnedTokens } of this.#clips) learnedTokens.remove(name);
  }

  /** The encoders that vectors are for: those of their width, told apart by name if all have it. */
  #indicesFor({ encoder, vectors }: EmbeddingVectors): number[] {
    if (encoder === 't5') return [];
    const fitting = [...this.#clips.keys()].filter(
      (index) => this.#clips[index]!.textEncoder.config.hiddenSize === vectors.dims[1],
    );
    if (encoder === undefined || fitting.length < 2) return fitting;
    return [encoder === 'clip-l' ? fitting[0]! : fitting.at(-1)!];
  }

  #mismatch({ name, encoders }: Embedding): EmbeddingMismatchError {
    const widths = (numbers: readonly (number | undefined)[]) => numbers.join(' and ');
    const came = widths(encoders.map(({ vectors }) => vectors.dims[1]));
    const wanted = widths(this.#clips.map(({ textEncoder }) => textEncoder.config.hiddenSize));
    return new EmbeddingMismatchError(
      name,
      `Embedding "${name}": its vectors are ${came} wide, those of this model's text ${this.#clips.length > 1 ? 'encoders' : 'encoder'} ${wanted}. Use one that was trained for this kind of model.`,
    );
  }

  #assertKnown(name: string): void {
    if (this.#names.has(name)) return;
    const known = this.#names.size > 0 ? `There are: ${this.names.join(', ')}.` : 'There is none.';
    throw new InvalidArgumentError(`Embedding "${name}" was not added. ${known}`);
  }
}

const describe = ({ encoder, vectors }: EmbeddingVectors) =>
  encoder === undefined ? `of width ${vectors.dims[1]}` : `for ${encoder}`;

function assertStrength(name: string, strength: number): void {
  if (Number.isFinite(strength)) return;
  throw new InvalidArgumentError(
    `Embedding "${name}": its strength is ${strength}. Give a number; 1 is as it was trained.`,
  );
}

function assertVectors({ name, encoders }: Embedding): void {
  for (const { vectors } of encoders) {
    if (vectors.dims.length !== 2 || vectors.data.length === 0) {
      throw new InvalidArgumentError(
        `Embedding "${name}": its vectors are [${vectors.dims.join(', ')}]; [vectors, width] is wanted, with at least one.`,
      );
    }
    if (!vectors.data.every(Number.isFinite)) {
      throw new InvalidArgumentError(
        `Embedding "${name}": its vectors have elements that are not finite numbers. The training went wrong, or the file is damaged.`,
      );
    }
  }
}
