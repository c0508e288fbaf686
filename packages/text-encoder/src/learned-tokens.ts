// Textual inversion (Gal et al. 2022): names in prompts that stand for learned vectors instead of words.
import { InvalidArgumentError, type Tensor, tensor, zeros } from '@emulsion/tensor';
import type { Tokenizer } from '@emulsion/tokenizer';

/** A name where it stands in a prompt, and the ids of its vectors. */
export interface LearnedToken {
  readonly name: string;
  readonly ids: readonly number[];
}

/** Vectors that a name stands for. */
interface Entry {
  readonly name: string;
  /** `[vectors, width]` */
  readonly vectors: Tensor;
  strength: number;
  /** The ids of the name as a text. */
  readonly spelling: readonly number[];
}

/**
 * The names that one text encoder knows beside its words. Their vectors have the ids from `vocabSize` on, in the order
 * in which they were added.
 */
export class LearnedTokens {
  readonly #tokenizer: Tokenizer;
  readonly #vocabSize: number;
  readonly #hiddenSize: number;
  #entries: readonly Entry[] = [];

  constructor(
    tokenizer: Tokenizer,
    { vocabSize, hiddenSize }: { readonly vocabSize: number; readonly hiddenSize: number },
  ) {
    this.#tokenizer = tokenizer;
    this.#vocabSize = vocabSize;
    this.#hiddenSize = hiddenSize;
  }

  /** Whether a name is taken, in this or another spelling that prompts do not tell from it. */
  has(name: string): boolean {
    return this.#entries.some((entry) => sameIds(entry.spelling, this.#spell(name)));
  }

  /**
   * Adds a name.
   * @param vectors `[vectors, hiddenSize]`
   * @throws {InvalidArgumentError} if there is nothing in the name
   */
  add(name: string, vectors: Tensor, strength: number): void {
    const spelling = this.#spell(name);
    if (spelling.length === 0) {
      throw new InvalidArgumentError(
        `Embedding "${name}": this is no word that a prompt can have. Give it another name.`,
      );
    }
    this.#entries = [...this.#entries, { name, vectors, strength, spelling }];
  }

  setStrength(name: string, strength: number): void {
    for (const entry of this.#entries) if (entry.name === name) entry.strength = strength;
  }

  remove(name: string): void {
    this.#entries = this.#entries.filter((entry) => entry.name !== name);
  }

  /** All vectors in the order of their ids, each times its strength: `[vectors, hiddenSize]`, a row of zeros if there are none. */
  vectors(): Tensor {
    if (this.#entries.length === 0) return zeros([1, this.#hiddenSize]);
    const rows = this.#entries.flatMap(({ vectors, strength }) => {
      return Array.from(vectors.data, (value) => value * strength);
    });
    return tensor(rows, [rows.length / this.#hiddenSize, this.#hiddenSize]);
  }

  /**
   * The ids of a prompt, without start and end token, and the names in it. Of two names that both fit, it is the longer
   * one. A name with a sign at one of its ends, such as `<cat-toy>`, is found wherever it stands, as in diffusers, since
   * what is beside the sign may be one token with it; every other name where its tokens are found, as in A1111.
   * @throws {InvalidArgumentError} if the tokenizer gives ids that the encoder has no vectors for
   */
  read(prompt: string): readonly (number | LearnedToken)[] {
    let next = this.#vocabSize;
    const names = this.#entries.map(({ name, vectors, spelling }) => {
      const first = next;
      next += vectors.dims[0]!;
      const ids = Array.from({ length: next - first }, (_, i) => first + i);
      return { token: { name, ids }, spelling };
    });
    names.sort((a, b) => b.spelling.length - a.spelling.length);
    const signed = names.filter(({ token }) => hasSignAtEnd(token.name));
    // With a group in the pattern, every second piece is a match.
    const pattern = new RegExp(`(${signed.map(({ token }) => patternOf(token.name)).join('|')})`, 'iu');
    const pieces = signed.length > 0 ? prompt.split(pattern) : [prompt];
    return pieces.flatMap((piece, i) => this.#readPiece(piece, i % 2 === 1 ? signed : names));
  }

  /** The ids of a text, with names in place of their spelling. */
  #readPiece(
    text: string,
    names: readonly { readonly token: LearnedToken; readonly spelling: readonly number[] }[],
  ): (number | LearnedToken)[] {
    const ids = this.#spell(text);
    const found: (number | LearnedToken)[] = [];
    for (let i = 0; i < ids.length; ) {
      const match = names.find(({ spelling }) => spelling.every((id, k) => ids[i + k] === id));
      // From here on it could not be told from a learned one.
      if (!match && ids[i]! >= this.#vocabSize) throw strangerError(ids[i]!, this.#vocabSize);
      found.push(match ? match.token : ids[i]!);
      i += match ? match.spelling.length : 1;
    }
    return found;
  }

  /** The ids of a text without those around it. */
  #spell(text: string): readonly number[] {
    return this.#tokenizer.encode(text).slice(1, -1);
  }
}

const strangerError = (id: number, known: number) =>
  new InvalidArgumentError(
    `text encoder: token id ${id} is not among the ${known} of this model. Use the tokenizer that belongs to it.`,
  );

const sameIds = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((id, i) => id === b[i]);

const isSign = (character: string | undefined) =>
  character !== undefined && /[^\p{L}\p{N}\s]/u.test(character);

function hasSignAtEnd(name: string): boolean {
  const characters = [...name.trim()];
  return isSign(characters[0]) || isSign(characters.at(-1));
}

/** A name as a regular expression, with any white space where it has some. */
const patternOf = (name: string) =>
  name
    .trim()
    .split(/\s+/)
    .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    .join('\\s+');
