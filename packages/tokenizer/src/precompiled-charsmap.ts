// SentencePiece's precompiled normalization: a double-array trie (Darts) from character sequences to replacements.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Longer graphemes are never looked up whole. */
const longestKey = 5;

/** One step of the trie: the label that leads to it, where its children lie, and whether a replacement ends here. */
const labelOf = (unit: number) => (unit & 0x800000ff) >>> 0;
const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
const hasLeaf = (unit: number) => (unit & 0x100) !== 0;
const positionOf = (unit: number) => unit & 0x7fffffff;

/**
 * The normalization of a `precompiled_charsmap`: each grapheme, or else each of its characters, is replaced by what
 * the map holds for it. Equals Hugging Face's `Precompiled`, which takes the shortest matching key.
 * @param charsmap base64 of: byte length of the trie (uint32, little endian), the trie (uint32s), the replacements
 * (UTF-8, each ended by a zero)
 */
export function precompiledCharsmap(charsmap: string): (text: string) => string {
  const bytes = Uint8Array.from(atob(charsmap), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const trieLength = view.getUint32(0, true);
  const trie = Uint32Array.from({ length: trieLength / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + trieLength);

  const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

  const lookUp = (key: Uint8Array): string | undefined => {
    let node = offsetOf(trie[0]!);
    for (const byte of key) {
      // A zero ends keys and is part of none.
      if (byte === 0) return undefined;
      node ^= byte;
      const unit = trie[node];
      if (unit === undefined || labelOf(unit) !== byte) return undefined;
      node ^= offsetOf(unit);
      if (hasLeaf(unit)) {
        const start = positionOf(trie[node]!);
        return decoder.decode(replacements.subarray(start, replacements.indexOf(0, start)));
      }
    }
    return undefined;
  };

  return (text) => {
    let normalized = '';
    for (const { segment } of graphemes.segment(text)) {
      const key = encoder.encode(segment);
      const whole = key.length <= longestKey ? lookUp(key) : undefined;
      normalized +=
        whole ?? [...segment].map((character) => lookUp(encoder.encode(character)) ?? character).join('');
    }
    return normalized;
  };
}
