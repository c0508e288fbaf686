import { encode } from 'fast-png';
import { zlibSync } from 'fflate';
import { expect, test } from 'vitest';
import { decodePng, encodePng } from './png.ts';
import { chunk } from './png-text.ts';
import type { RgbImage } from './rgb-image.ts';

const picture = (channels: 3 | 4): RgbImage => ({
  width: 5,
  height: 3,
  channels,
  data: Uint8Array.from({ length: 15 * channels }, (_, i) => (i * 37) % 256),
});

test('pictures and texts survive the round trip, in Latin-1 and in any script', () => {
  const text = { parameters: 'a café\nSteps: 20', prompt: '一只猫 🐈 with “quotes”', Title: '' };
  for (const channels of [3, 4] as const) {
    const { image, text: read } = decodePng(encodePng(picture(channels), { text }));
    expect(image).toEqual(picture(channels));
    expect(read).toEqual(text);
  }
});

test('Latin-1 text goes into tEXt, which every reader knows, other text into iTXt', () => {
  const chunks = (text: string) =>
    String.fromCharCode(...encodePng(picture(3), { text: { parameters: text } }));
  expect(chunks('a café')).toContain('tEXtparameters\0a caf\xe9');
  expect(chunks('a 🐈')).toContain('iTXtparameters\0\0\0\0\0');
});

test('grey, palette and 16-bit pictures come out in colour', () => {
  const grey = decodePng(encode({ width: 2, height: 1, channels: 1, data: Uint8Array.of(7, 255) })).image;
  expect([...grey.data]).toEqual([7, 7, 7, 255, 255, 255]);
  const greyAlpha = decodePng(encode({ width: 1, height: 1, channels: 2, data: Uint8Array.of(7, 9) })).image;
  expect([...greyAlpha.data]).toEqual([7, 7, 7, 9]);
  const deep = decodePng(
    encode({ width: 1, height: 1, channels: 3, depth: 16, data: Uint16Array.of(0x1234, 0xffff, 0) }),
  ).image;
  expect([...deep.data]).toEqual([0x12, 0xff, 0]);
});

test('a compressed text is unpacked, and one that is damaged costs nothing but itself', () => {
  const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const plain = encodePng(picture(3), { text: { parameters: 'kept' } });
  const withChunk = (type: string, ...data: Uint8Array[]) => {
    const added = chunk(type, Uint8Array.from(data.flatMap((part) => [...part])));
    return Uint8Array.from([...plain.subarray(0, 33), ...added, ...plain.subarray(33)]);
  };
  const packed = zlibSync(latin1('packed words'));
  expect(decodePng(withChunk('zTXt', latin1('Comment\0\0'), packed)).text).toEqual({
    parameters: 'kept',
    Comment: 'packed words',
  });
  expect(decodePng(withChunk('iTXt', latin1('prompt\0\x01\0en\0\0'), packed)).text).toEqual({
    parameters: 'kept',
    prompt: 'packed words',
  });
  const broken = packed.map((byte, i) => (i > 2 ? byte ^ 0x55 : byte));
  const { text, image } = decodePng(withChunk('zTXt', latin1('Comment\0\0'), broken));
  expect(text).toEqual({ parameters: 'kept' });
  expect(image).toEqual(picture(3));
});

test('what is not a PNG, or a damaged one, is refused', () => {
  const png = encodePng(picture(3));
  expect(() => decodePng(Uint8Array.of(1, 2, 3))).toThrow(
    /^png: the bytes are not a PNG file, or a damaged one \(.*\)\. Give another file\.$/,
  );
  expect(() => decodePng(png.subarray(0, png.length - 20))).toThrow('png: the bytes are not a PNG file');
  const flipped = png.slice();
  flipped[45]! ^= 1;
  expect(() => decodePng(flipped)).toThrow('png: the bytes are not a PNG file');
});

test('a keyword that PNG does not allow is refused', () => {
  expect(() => encodePng(picture(3), { text: { '': 'x' } })).toThrow('png: "" is no keyword for text.');
  expect(() => encodePng(picture(3), { text: { 'a  b': 'x' } })).toThrow(
    'png: "a  b" is no keyword for text.',
  );
});
