// The dicts that embeddings are stored as, whatever the file: A1111's, diffusers', and those with a tensor for each
// text encoder.
import type { PickleObject, Weight } from '@emulsion/checkpoints';
import { type Tensor, tensor } from '@emulsion/tensor';
import type { EmbeddingEncoder, EmbeddingVectors, TextualInversion } from './textual-inversion.ts';

/** Vectors in a file, or as they are. */
export type StoredVectors = Weight | Tensor;

/** What a dict says of an embedding. */
export interface ParsedEmbedding {
  readonly encoders: readonly {
    readonly encoder?: EmbeddingEncoder | undefined;
    readonly stored: StoredVectors;
  }[];
  /** What diffusers calls the token; other files leave that to their own name. */
  readonly token?: string | undefined;
  /** The name that A1111 has written. */
  readonly name?: string | undefined;
  readonly step?: number | undefined;
  readonly checkpointHash?: string | undefined;
  readonly checkpointName?: string | undefined;
  /** Keys of the vectors, and of tensors that nothing is made of. */
  readonly matched: readonly string[];
  readonly unused: readonly string[];
}

/** Keys of files with vectors for several text encoders. */
const encoderKeys: Readonly<Record<string, EmbeddingEncoder>> = {
  clip_l: 'clip-l',
  clip_g: 'clip-g',
  t5: 't5',
};

/** Keys of vectors that are no token: what Kohya's programs and A1111 write, and what copies of its files have. */
const anonymousKeys = ['emb_params', '*', 'string_to_param.*'];

/**
 * The embedding in what a file holds: a dict, or a tensor alone.
 * @returns `undefined` if there is none
 */
export function parseEmbedding(root: unknown): ParsedEmbedding | undefined {
  if (areVectors(root)) return { encoders: [{ stored: root }], matched: [], unused: [] };
  if (!(root instanceof Map)) return undefined;
  const all = new Map([...root].filter((entry): entry is [string, unknown] => typeof entry[0] === 'string'));
  if (all.has('string_to_param')) return parseA1111(all);
  const tensors = [...all].filter((entry): entry is [string, StoredVectors] => areVectors(entry[1]));
  const named = tensors.filter(([key]) => Object.hasOwn(encoderKeys, key));
  if (named.length > 0) {
    return {
      encoders: named.map(([key, stored]) => ({ encoder: encoderKeys[key], stored })),
      matched: named.map(([key]) => key),
      unused: tensors.map(([key]) => key).filter((key) => !Object.hasOwn(encoderKeys, key)),
    };
  }
  const anonymous = tensors.find(([key]) => anonymousKeys.includes(key));
  const only = anonymous ?? (tensors.length === 1 ? tensors[0] : undefined);
  if (!only) return undefined;
  const [key, stored] = only;
  return {
    encoders: [{ stored }],
    token: anonymous ? undefined : key,
    matched: [key],
    unused: tensors.map(([other]) => other).filter((other) => other !== key),
  };
}

/** A1111's dict: `string_to_param` is a dict of one tensor, or in files of older versions a ParameterDict. */
function parseA1111(all: ReadonlyMap<string, unknown>): ParsedEmbedding | undefined {
  const tensors = [...entriesOf(all.get('string_to_param'))].filter(
    (entry): entry is [unknown, StoredVectors] => areVectors(entry[1]),
  );
  const [first, ...others] = tensors;
  if (!first) return undefined;
  const text = (key: string) => {
    const value = all.get(key);
    return typeof value === 'string' ? value : undefined;
  };
  const step = all.get('step');
  return {
    encoders: [{ stored: first[1] }],
    name: text('name'),
    step: typeof step === 'number' ? step : undefined,
    checkpointHash: text('sd_checkpoint'),
    checkpointName: text('sd_checkpoint_name'),
    matched: [String(first[0])],
    unused: others.map(([key]) => String(key)),
  };
}

function entriesOf(dict: unknown): ReadonlyMap<unknown, unknown> {
  if (dict instanceof Map) return dict;
  const { state } = isObject(dict) ? (dict as Partial<PickleObject>) : {};
  const parameters: unknown = state instanceof Map ? state.get('_parameters') : undefined;
  return parameters instanceof Map ? parameters : new Map();
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Whether a value is a tensor that may be vectors: nothing else in a file has dims and a dtype. */
const areVectors = (value: unknown): value is StoredVectors =>
  isObject(value) &&
  'dims' in value &&
  'dtype' in value &&
  Array.isArray(value.dims) &&
  (value.dims.length === 1 || value.dims.length === 2);

/** The embedding that a dict is of, with its vectors read. */
export function toTextualInversion(
  { name: written, step, checkpointHash, checkpointName, matched, unused }: ParsedEmbedding,
  encoders: readonly EmbeddingVectors[],
  name: string,
): TextualInversion {
  const notes: string[] = [];
  if (written !== undefined && written !== name)
    notes.push(`It was saved as "${written}"; here prompts name it by "${name}".`);
  if (unused.length > 0) notes.push(`It has more than is used: ${unused.join(', ')}.`);
  return {
    name,
    encoders: encoders.map(({ encoder, vectors }) => ({
      vectors: asRows(vectors),
      ...(encoder && { encoder }),
    })),
    step,
    checkpointHash,
    checkpointName,
    matched,
    unused,
    notes,
  };
}

/** A single vector may be stored without its first dimension. */
const asRows = ({ dims, data }: Tensor): Tensor => tensor(data, dims.length === 1 ? [1, ...dims] : dims);
