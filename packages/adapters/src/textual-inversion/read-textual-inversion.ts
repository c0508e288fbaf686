// Files of embeddings: PyTorch's, safetensors and PNG cards, told apart by what they hold.
import {
  type Folder,
  InvalidFileError,
  openSafetensors,
  readPytorch,
  readTensor,
  UnsupportedFileError,
} from '@emulsion/checkpoints';
import { isPngFile, readEmbeddingCard } from './embedding-card.ts';
import { parseEmbedding, toTextualInversion } from './parse-embedding.ts';
import type { TextualInversion } from './textual-inversion.ts';

export interface ReadTextualInversionOptions {
  /** What prompts name it by, instead of what the file says. */
  readonly name?: string | undefined;
}

/**
 * Reads an embedding: A1111's `.pt` and PNG cards, diffusers' `.bin` and `.safetensors`, and files with vectors for both
 * text encoders of Stable Diffusion XL. Nothing in a pickle is executed. Prompts name it by the token that diffusers has
 * written, or by the name in a card, or else, as in A1111, by the file's name without its ending.
 * @throws {MissingFileError} @throws {InvalidFileError} if the file is damaged @throws {ImageError} if a card is
 * @throws {UnsupportedFileError} if it holds no embedding
 */
export async function readTextualInversion(
  folder: Folder,
  path: string,
  { name }: ReadTextualInversionOptions = {},
): Promise<TextualInversion> {
  const isPng = await isPngFile(folder, path);
  const parsed = parseEmbedding(isPng ? await readCard(folder, path) : await readDict(folder, path));
  if (!parsed) {
    throw new UnsupportedFileError(
      folder,
      path,
      'it holds no embedding',
      'Give a .pt, .bin or .safetensors of A1111 or diffusers, or a PNG that A1111 has saved one in.',
    );
  }
  const encoders = parsed.encoders.map(async ({ encoder, stored }) => ({
    encoder,
    vectors: 'data' in stored ? stored : await readTensor(folder, stored),
  }));
  // A card goes by the name in it: pictures are renamed.
  const own = parsed.token ?? (isPng ? parsed.name : undefined) ?? stemOf(path);
  return toTextualInversion(parsed, await Promise.all(encoders), name ?? own);
}

/** What a file with tensors holds. */
const readDict = (folder: Folder, path: string): Promise<unknown> =>
  path.endsWith('.safetensors') ? openSafetensors(folder, path) : readPytorch(folder, path);

async function readCard(folder: Folder, path: string): Promise<unknown> {
  try {
    return readEmbeddingCard(await folder.read(path));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new InvalidFileError(folder, path, 'the embedding in its text is damaged', { cause });
  }
}

const stemOf = (path: string) => path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
