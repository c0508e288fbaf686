// Files of embeddings: PyTorch's, safetensors and PNG cards, told apart by what they hold.
import {
  type Folder,
  InvalidFileError,
  openSafetensors,
  readPytorch,
  readTensor,
  UnsupportedFileError,
} from '@emulsion/checkpoints';
import { sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { readEmbeddingCard } from './embedding-card.ts';
import { type ParsedEmbedding, parseEmbedding, type StoredVectors } from './parse-embedding.ts';
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
  const isPng = await beginsWith(folder, path, pngSignature);
  const parsed = parseEmbedding(isPng ? await readCard(folder, path) : await readDict(folder, path));
  if (!parsed) {
    throw new UnsupportedFileError(
      folder,
      path,
      'it holds no embedding',
      'Give a .pt, .bin or .safetensors of A1111 or diffusers, or a PNG that A1111 has saved one in.',
    );
  }
  // A card goes by the name in it: pictures are renamed.
  const own = parsed.token ?? (isPng ? parsed.name : undefined) ?? stemOf(path);
  return fromParsed(folder, parsed, name ?? own);
}

/** An embedding of what was parsed, with its vectors read. */
export async function fromParsed(
  folder: Folder,
  { encoders, name: written, step, checkpointHash, checkpointName, unused }: ParsedEmbedding,
  name: string,
): Promise<TextualInversion> {
  const notes: string[] = [];
  if (written !== undefined && written !== name)
    notes.push(`It was saved as "${written}"; here prompts name it by "${name}".`);
  if (unused.length > 0) notes.push(`It has more than is used: ${unused.join(', ')}.`);
  const read = encoders.map(async ({ encoder, stored }) => ({
    vectors: asRows(await valuesOf(folder, stored)),
    ...(encoder && { encoder }),
  }));
  return { name, encoders: await Promise.all(read), step, checkpointHash, checkpointName, notes };
}

async function valuesOf(folder: Folder, stored: StoredVectors): Promise<Tensor> {
  return 'data' in stored ? stored : readTensor(folder, stored);
}

/** A single vector may be stored without its first dimension. */
const asRows = ({ dims, data }: Tensor): Tensor =>
  dims.length === 1 ? tensor(data, [1, sizeOf(dims)]) : tensor(data, dims);

const pngSignature = [0x89, 0x50, 0x4e, 0x47];

async function beginsWith(folder: Folder, path: string, signature: readonly number[]): Promise<boolean> {
  const length = Math.min(await folder.size(path), signature.length);
  const start = await folder.read(path, { offset: 0, length });
  return signature.every((byte, i) => start[i] === byte);
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
