import { encode } from 'fast-png';
import { zlibSync } from 'fflate';
import { expect, test } from 'vitest';
import { ImageError } from './errors.ts';
import { decodePng, encodePng } from './png.ts';
import { encodeChunk } from './png-chunk.ts';
import { readPngText } from './png-text.ts';
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

test('texts are read without the picture, from a file that is cut off too', () => {
  const text = { parameters: 'a café\nSteps: 20', prompt: '一只猫' };
  const png = encodePng(picture(3), { text });
  expect(readPngText(png)).toEqual(text);
  expect(readPngText(png.subarray(0, -20))).toEqual(text);
  for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 2, 3), png.subarray(1)]) {
    expect(() => readPngText(bytes)).toThrow(ImageError);
    expect(() => readPngText(bytes)).toThrow('png: the bytes are not a PNG file. Give another file.');
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

test('grey of 1, 2 and 4 bits a sample is spread over the bytes', () => {
  const read = (depth: 1 | 2 | 4, width: number, ...rows: number[]) => {
    const { data } = decodePng(
      encode({ width, height: 2, channels: 1, depth, data: Uint8Array.from(rows) }),
    ).image;
    return [...data].filter((_, i) => i % 3 === 0);
  };
  expect(read(1, 3, 0b10100000, 0b01000000)).toEqual([255, 0, 255, 0, 255, 0]);
  expect(read(2, 2, 0b00011011, 0b11000000).slice(0, 2)).toEqual([0, 85]);
  expect(read(4, 1, 0xf0, 0x10)).toEqual([255, 17]);
});

test('a compressed text is unpacked, and one that is damaged costs nothing but itself', () => {
  const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const plain = encodePng(picture(3), { text: { parameters: 'kept' } });
  const withChunk = (type: string, ...data: Uint8Array[]) => {
    const added = encodeChunk(type, Uint8Array.from(data.flatMap((part) => [...part])));
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

test('every filter survives the round trip, and gradients pack well', () => {
  const width = 64;
  for (const channels of [3, 4] as const) {
    // Rows that differ from the left, from above, from both, and from nothing in the neighbourhood.
    const data = Uint8Array.from({ length: width * 50 * channels }, (_, i) => {
      const x = Math.floor(i / channels) % width;
      const y = Math.floor(i / channels / width);
      const kinds = [(i * i * 7919) >>> 3, x * 3, y * 5, x * 2 + y * 3, (x ^ y) + 7 * (i % channels)];
      return kinds[Math.floor(y / 10)]! & 255;
    });
    const picture: RgbImage = { width, height: 50, channels, data };
    expect(decodePng(encodePng(picture)).image).toEqual(picture);
  }
  const gradient = Uint8Array.from({ length: 256 * 256 * 3 }, (_, i) => (i / 3) % 256);
  const packed = encodePng({ width: 256, height: 256, channels: 3, data: gradient });
  expect(packed.length).toBeLessThan(gradient.length / 100);
});

test('bytes that do not fit the size are refused', () => {
  expect(() => encodePng({ ...picture(3), width: 6 })).toThrow(
    'png: 45 bytes are no picture of 6x3 with 3 channels. Give width · height · channels bytes.',
  );
  expect(() => encodePng({ width: 0, height: 3, channels: 3, data: new Uint8Array(0) })).toThrow(ImageError);
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
