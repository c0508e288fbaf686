// Embeddings that lie in files of LoRA beside the weights (pivotal tuning), under names that begin with `bundle_emb`.
import type { Folder, Weight, Weights } from '@emulsion/checkpoints';
import { parseEmbedding } from './parse-embedding.ts';
import { fromParsed } from './read-textual-inversion.ts';
import type { TextualInversion } from './textual-inversion.ts';

/** `bundle_emb.NAME.string_to_param.*`, and for each encoder of XL `bundle_emb.NAME.clip_l` and `.clip_g`. */
const bundled = /^bundle_emb\.(?<name>[^.]+)\.(?:string_to_param\.)?(?<key>.+)$/;

/** Whether a tensor in a file of LoRA belongs to an embedding. */
export const isBundledEmbedding = (tensorName: string): boolean => bundled.test(tensorName);

/**
 * The embeddings among the tensors of a file, by the names that their keys have.
 * @param folder the folder that the weights were opened from
 */
export async function readBundledEmbeddings(folder: Folder, weights: Weights): Promise<TextualInversion[]> {
  const dicts = new Map<string, Map<string, Weight>>();
  for (const [tensorName, weight] of weights) {
    const { name, key } = bundled.exec(tensorName)?.groups ?? {};
    if (name === undefined || key === undefined) continue;
    const dict = dicts.get(name) ?? new Map<string, Weight>();
    dicts.set(name, dict.set(key, weight));
  }
  const embeddings: TextualInversion[] = [];
  for (const [name, dict] of dicts) {
    const parsed = parseEmbedding(dict);
    if (parsed) embeddings.push(await fromParsed(folder, parsed, name));
  }
  return embeddings;
}
