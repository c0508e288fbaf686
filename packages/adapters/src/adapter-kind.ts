// What kind of adapter a file holds, told by what is in it and not by its name.
import { type Folder, readPytorch, readSafetensorsHeader } from '@emulsion/checkpoints';
import { isPickledHypernetwork } from './hypernetwork/read-hypernetwork.ts';
import { hypernetworkNote } from './hypernetwork/safetensors-form.ts';
import { isPngFile } from './textual-inversion/embedding-card.ts';
import { parseEmbedding } from './textual-inversion/parse-embedding.ts';

/** The kinds of adapters that have files: what `loadLora`, `readHypernetwork` and `readTextualInversion` read. */
export const adapterKinds = ['lora', 'hypernetwork', 'embedding'] as const;
export type AdapterKind = (typeof adapterKinds)[number];

/**
 * The kind of a file: what is neither a hypernetwork nor an embedding is taken for a LoRA. Of its tensors nothing is read.
 * @throws {MissingFileError} @throws {InvalidFileError} if the file is damaged @throws {UnsupportedFileError} if it is a
 * pickle of anything but tensors
 */
export async function adapterKindOf(folder: Folder, path: string): Promise<AdapterKind> {
  if (await isPngFile(folder, path)) return 'embedding';
  if (path.endsWith('.safetensors')) {
    const { metadata, weights } = await readSafetensorsHeader(folder, path);
    if (metadata.has(hypernetworkNote)) return 'hypernetwork';
    return parseEmbedding(weights) ? 'embedding' : 'lora';
  }
  const root = await readPytorch(folder, path);
  if (isPickledHypernetwork(root)) return 'hypernetwork';
  return parseEmbedding(root) ? 'embedding' : 'lora';
}
