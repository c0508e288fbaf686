// Embeddings that lie in files of LoRA beside the weights (pivotal tuning).
import type { Tensor } from '@emulsion/tensor';
import { parseEmbedding, toTextualInversion } from './parse-embedding.ts';
import type { TextualInversion } from './textual-inversion.ts';

/**
 * The embedding that a file of LoRA brings.
 * @param tensors by what follows the name in their keys: `string_to_param.*`, or `clip_l` and `clip_g`
 * @returns `undefined` if they are none
 */
export function bundledEmbedding(
  name: string,
  tensors: ReadonlyMap<string, Tensor>,
): TextualInversion | undefined {
  const entries = [...tensors].map(
    ([key, values]) => [key.replace(/^string_to_param\./, ''), values] as const,
  );
  const parsed = parseEmbedding(new Map(entries));
  if (!parsed) return undefined;
  const encoders = parsed.encoders.map(({ encoder, stored }) => ({ encoder, vectors: stored as Tensor })); // none is stored elsewhere
  return toTextualInversion(parsed, encoders, name);
}
