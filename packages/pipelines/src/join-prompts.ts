// Pictures that several conditions are prompted with, as those of one batch.
import { cpuOps } from '@emulsion/tensor';
import type { ImagePrompt } from '@emulsion/unet';

/**
 * Prompts of several conditions as those of one batch.
 * @returns `undefined` if they are not alike
 */
export function joinPrompts(
  lists: readonly (readonly ImagePrompt[] | undefined)[],
): { readonly imagePrompts: readonly ImagePrompt[] | undefined } | undefined {
  const [first] = lists;
  if (!first) return lists.every((list) => !list) ? { imagePrompts: undefined } : undefined;
  const joined: ImagePrompt[] = [];
  for (const [i, prompt] of first.entries()) {
    const others = lists.map((list) => list?.[i]);
    if (!others.every((other) => other && isAlike(other, prompt))) return undefined;
    joined.push({ ...prompt, tokens: cpuOps.concat(others.map((other) => other!.tokens)) });
  }
  return lists.every((list) => list?.length === first.length) ? { imagePrompts: joined } : undefined;
}

const isAlike = (one: ImagePrompt, other: ImagePrompt) =>
  one.attention === other.attention &&
  one.scale === other.scale &&
  one.mask === other.mask &&
  one.tokens.dims[1] === other.tokens.dims[1];
