// Textual inversion (Gal et al. 2022): vectors that a name in a prompt stands for, in all forms that files have.
import type { Tensor } from '@emulsion/tensor';

/** The text encoders that files name: CLIP ViT-L, OpenCLIP bigG, and T5. */
export type EmbeddingEncoder = 'clip-l' | 'clip-g' | 't5';

/** Vectors for one text encoder. */
export interface EmbeddingVectors {
  /** Whose they are; files for models with a single text encoder do not say it. */
  readonly encoder?: EmbeddingEncoder | undefined;
  /** `[vectors, width]`; each takes the place of a token. */
  readonly vectors: Tensor;
}

/** An embedding as its file has it. */
export interface TextualInversion {
  /** What prompts name it by. */
  readonly name: string;
  readonly encoders: readonly EmbeddingVectors[];
  /** Steps that it was trained for, where the file says it. */
  readonly step: number | undefined;
  /** First digits of the hash of the checkpoint that it was trained on, and that checkpoint's name, where the file says them. */
  readonly checkpointHash: string | undefined;
  readonly checkpointName: string | undefined;
  /** Names of the tensors that are its vectors, and of those that nothing is made of. */
  readonly matched: readonly string[];
  readonly unused: readonly string[];
  /** What is to be said of the file, in sentences. */
  readonly notes: readonly string[];
}
