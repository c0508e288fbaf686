import { expect, test } from 'vitest';
import {
  double,
  float,
  fromBytes,
  int32,
  int64,
  type MessageCodec,
  message,
  once,
  packed,
  repeated,
  string,
  toBytes,
} from './protobuf.ts';

interface Tree {
  readonly name: string | undefined;
  readonly sizes: readonly bigint[];
  readonly scores: readonly number[];
  readonly children: readonly Tree[];
}

const tree: MessageCodec<Tree> = message<Tree>({
  name: once(1, () => string),
  sizes: repeated(2, () => int64),
  scores: packed(3, () => float),
  children: repeated(20, () => tree),
});

test('messages within messages survive the round trip, and what is not given is not written', () => {
  const leaf = { name: 'leaf ✓', sizes: [-1n, 2n ** 62n], scores: [0.5, -2], children: [] };
  const bytes = toBytes(tree, { name: '', children: [leaf, {}] });
  const empty = { sizes: [], scores: [], children: [] };
  expect(fromBytes(tree, bytes)).toEqual({ ...empty, name: '', children: [leaf, empty] });
  expect(toBytes(tree, {})).toEqual(new Uint8Array());
});

test('the bytes are those of the format', () => {
  expect([...toBytes(tree, { name: 'ab', sizes: [1n, 300n], scores: [1] })]).toEqual([
    ...[0x0a, 2, 0x61, 0x62],
    ...[0x10, 1, 0x10, 0xac, 0x02],
    ...[0x1a, 4, 0, 0, 0x80, 0x3f],
  ]);
});

test('numbers are read packed or one by one, whatever the table says', () => {
  const one = Uint8Array.of(0x12, 3, 1, 0xac, 0x02, 0x12, 0, 0x10, 7);
  expect(fromBytes(tree, one).sizes).toEqual([1n, 300n, 7n]);
  const other = Uint8Array.of(0x1d, 0, 0, 0x80, 0x3f);
  expect(fromBytes(tree, other).scores).toEqual([1]);
});

test('fields that the table lacks are skipped', () => {
  const wide = message<{ readonly extra: number | undefined; readonly far: number | undefined }>({
    extra: once(5, () => int32),
    far: once(9, () => double),
  });
  const bytes = toBytes(wide, { extra: 7, far: 0.5 });
  expect(fromBytes(tree, bytes)).toEqual({ sizes: [], scores: [], children: [] });
});

test('bytes that are no message are refused', () => {
  const bytes = toBytes(tree, { name: 'leaf', children: [{ name: 'inner', sizes: [1n] }] });
  for (let length = 1; length < bytes.length; length++) {
    // A message may end after any of its fields.
    if (length === 6) continue;
    expect(() => fromBytes(tree, bytes.subarray(0, length)), `${length} bytes`).toThrow();
  }
  // A part that goes on after the end of the whole, and a name that is a number.
  expect(() => fromBytes(tree, Uint8Array.of(0xa2, 0x01, 3, 0x10, 1))).toThrow(RangeError);
  expect(() => fromBytes(tree, Uint8Array.of(0x08, 1))).toThrow('field "name" is of wire type 0');
});
