// The embeddings among a pipeline's adapters: what its prompts may name.
import type { TextualInversion } from '@emulsion/adapters';
import type { PromptEmbeddings } from '@emulsion/text-encoder';

/** An embedding that prompts are to name. */
export interface WantedEmbedding {
  readonly embedding: TextualInversion;
  /** Factor on its vectors. */
  readonly strength: number;
}

/** Keeps what prompts may name in step with the adapters of a pipeline; what was added otherwise stays. */
export class AdapterEmbeddings {
  readonly #embeddings: PromptEmbeddings;
  /** What was added, with what is to be said of it. */
  readonly #added = new Map<TextualInversion, readonly string[]>();

  constructor(embeddings: PromptEmbeddings) {
    this.#embeddings = embeddings;
  }

  /**
   * From now on prompts may name these.
   * @throws {EmbeddingMismatchError} or {InvalidArgumentError} if one does not fit; those before it are then there
   */
  replace(wanted: readonly WantedEmbedding[]): void {
    const added = [...this.#added.keys()].map(({ name }) => name);
    // Whoever has the prompt encoder may have removed one.
    for (const name of added) if (this.#embeddings.names.includes(name)) this.#embeddings.remove(name);
    this.#added.clear();
    for (const { embedding, strength } of wanted)
      this.#added.set(embedding, this.#embeddings.add(embedding, { strength }));
  }

  setStrength(name: string, strength: number): void {
    this.#embeddings.setStrength(name, strength);
  }

  /** What of an embedding the text encoders do not use, in sentences. */
  notesOn(embedding: TextualInversion): readonly string[] {
    return this.#added.get(embedding) ?? [];
  }
}
