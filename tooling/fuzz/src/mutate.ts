// Changes that damaged and hostile files have, drawn from seeded random numbers.
import { createRng } from '@emulsion/tensor';

const encoder = new TextEncoder();

/** Pieces of JSON that a damaged or hostile file may have anywhere. */
const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '0',
  '-1',
  '9007199254740993',
  '1e999',
  'null',
  '"F64"',
  '"__proto__"',
  '"..."',
  ' ',
  '\0',
  'é',
].map((text) => encoder.encode(text));

/** Pieces of binary formats: lengths at the edges of their types, and what pickles do harm with. */
const binaryTokens = [
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
  Uint8Array.of(0xff, 0xff, 0xff, 0x7f),
  Uint8Array.of(0, 0, 0, 0x80),
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80),
  new Uint8Array(8).fill(0xff),
  new Uint8Array(10).fill(0xff), // the longest number of protobuf
  encoder.encode('cos\nsystem\n(S"false"\ntR.'),
  encoder.encode('cbuiltins\neval\n'),
  Uint8Array.of(0x28), // MARK
  Uint8Array.of(0x32), // DUP
  Uint8Array.of(0x52), // REDUCE
  Uint8Array.of(0x62), // BUILD
  Uint8Array.of(0x81), // NEWOBJ
  Uint8Array.of(0x75), // SETITEMS
  Uint8Array.of(0x71, 0), // BINPUT
  Uint8Array.of(0x68, 0), // BINGET
  Uint8Array.of(0x8b, 0xff, 0xff, 0xff, 0x7f), // LONG4 of 2 GiB
  Uint8Array.of(0x8e, 0, 0, 0, 0, 0, 0, 0, 0x7f), // BINBYTES8 of 2^62 bytes
];

/** Bytes that a format keeps its structure in: where most changes are made. */
export interface Hot {
  readonly start: number;
  readonly end: number;
}

/**
 * A changed copy of a file.
 * @param seed the same one gives the same copy
 * @param hot where the structure is; a quarter of the changes is anywhere
 */
export function mutate(
  bytes: Uint8Array,
  seed: number,
  hot: readonly Hot[],
  kind: 'json' | 'binary',
): Uint8Array {
  const rng = createRng({ kind: 'torch-cpu', seed });
  const below = (limit: number) => Number(rng.integers(0, Math.max(limit, 1), [1]).data[0]);
  const tokens = kind === 'json' ? jsonTokens : [...binaryTokens, ...jsonTokens];
  const token = () => tokens[below(tokens.length)]!;
  const place = ({ length }: Uint8Array) => {
    const { start, end } = below(4) === 0 ? { start: 0, end: length } : hot[below(hot.length)]!;
    return Math.min(start + below(end - start), length);
  };
  const changes: readonly ((file: Uint8Array) => Uint8Array)[] = [
    (file) => splice(file, place(file), 1, Uint8Array.of(below(256))),
    (file) => splice(file, place(file), 1, Uint8Array.of(1 << below(8))),
    (file) => splice(file, place(file), token().length, token()),
    (file) => splice(file, place(file), 0, token()),
    (file) => splice(file, place(file), below(20), new Uint8Array()),
    (file) => splice(file, below(8), 1, Uint8Array.of(below(256))),
    (file) => file.slice(0, below(file.length)),
    (file) => splice(file, file.length, 0, new Uint8Array(below(9))),
    (file) => {
      const from = place(file);
      return splice(file, place(file), below(30), file.slice(from, from + below(60)));
    },
  ];
  let result = bytes;
  for (let i = below(3); i >= 0; i--) result = changes[below(changes.length)]!(result);
  return result;
}

function splice(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(at + removed, bytes.length));
  const result = new Uint8Array(at + added.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(added, at);
  result.set(rest, at + added.length);
  return result;
}
