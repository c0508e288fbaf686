// Files written by hand after the specification, each row with a filter at random; Pillow 12.3 reads the same pixels.
import { zlibSync } from 'fflate';
import { expect, test } from 'vitest';
import { ImageError } from './errors.ts';
import { decodePng } from './png.ts';
import { encodeChunk, joinBytes, pngSignature } from './png-chunk.ts';
import { makeReadable } from './readable-png.ts';

const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** Samples, one hexadecimal digit each, as the pixels that they stand for. */
const spread = (rows: string, pixelOf: (sample: number) => readonly number[]) =>
  [...rows.replaceAll(' ', '')].flatMap((digit) => pixelOf(Number.parseInt(digit, 16)));

const grey = [
  {
    size: [1, 1, 1],
    png: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAFAacmyAAAABUlEQVR4nGNpAIwWCUwAAAAFSURBVAAAigCFPfywMAAAAABJRU5ErkJggg==',
    rows: '1',
  },
  {
    size: [3, 5, 1],
    png: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAAFAQAAAAHfDVuZAAAADElEQVR4nGNpYGhgYQACB4b97W04AAAADUlEQVQGRiBkcWBgAAAgwgMPVtIwYAAAAABJRU5ErkJggg==',
    rows: '110 010 011 000 110',
  },
  {
    size: [9, 7, 2],
    png: 'iVBORw0KGgoAAAANSUhEUgAAAAkAAAAHAgAAAAHCRxCLAAAAFklEQVR4nGM6wOLAtIThA6MBo8UJ5vDjLDNYEi/3hQAAABdJREFUShgWMNQyvtkVxRi80oVZPFwNAMj3CvqyRTbnAAAAAElFTkSuQmCC',
    rows: '323112300 323022120 003023000 110333301 220220301 100033113 113303310',
  },
  {
    size: [3, 5, 4],
    png: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAAFBAAAAAEX7dTpAAAAD0lEQVR4nGNpYN7AsoDRgVmNkYFzKgY1AAAAD0lEQVRRgekA45wWlisTADb2BbNuZ3k0AAAAAElFTkSuQmCC',
    rows: '80a 9c2 226 70b be4',
  },
] as const;

test.each(grey)('interlaced grey of $size (width, height, bits) is read', ({ size, png, rows }) => {
  const [width, height, depth] = size;
  const expected = spread(rows, (sample) => Array(3).fill((sample * 255) / (2 ** depth - 1)));
  const { image } = decodePng(fromBase64(png));
  expect({ ...image, data: [...image.data] }).toEqual({ width, height, channels: 3, data: expected });
});

test('interlaced indices of 2 and 4 bits are read, with alpha and without', () => {
  const png =
    'iVBORw0KGgoAAAANSUhEUgAAAAkAAAAHAgMAAAHQ8r9lAAAADFBMVEX/AAAA/wAAAP8JCAei0mLAAAAAAnRSTlMAgJsrThgAAAAWSURBVHicY3BgPMDkweTAMIG55R/DkwbmeIb13JpCAAAAFklEQVQ45hyWDgam6gMsDpU8zEqsGwCxcQmin8jM6wAAAABJRU5ErkJggg==';
  const colours = [
    [255, 0, 0, 0],
    [0, 255, 0, 128],
    [0, 0, 255, 255],
    [9, 8, 7, 255],
  ];
  const { image } = decodePng(fromBase64(png));
  expect([...image.data]).toEqual(
    spread(
      '111133030 000213233 210113021 100233100 122102132 100322000 302210032',
      (index) => colours[index]!,
    ),
  );
  const deeper =
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAAFBAMAAAEFWHsHAAAAMFBMVEUA/wAR7gEi3QIzzANEuwRVqgVmmQZ3iAeIdwiZZgmqVQq7RAvMMwzdIg3uEQ7/AA/8nZkzAAAAD0lEQVR4nGM6wPKAQYH5A0MXIwOvbgyHAAAAD0lEQVTDBeYdLEp8zHsTAUeuBiUTMSBHAAAAAElFTkSuQmCC';
  expect([...decodePng(fromBase64(deeper)).image.data]).toEqual(
    spread('c02 223 8da cee e20', (i) => [17 * i, 255 - 17 * i, i]),
  );
});

test('neither a transparent colour nor a suggested palette troubles a small picture in colour', () => {
  const transparent =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAABnRSTlMABwAIAAmrSTKdAAAABklEQVR4nGNi5+AQhJyNAAAABklEQVQEAAA6ABsI/vJ8AAAAAElFTkSuQmCC';
  expect([...decodePng(fromBase64(transparent)).image.data]).toEqual([7, 8, 9]);
  const suggested =
    'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAABlBMVEUAAAAAAAClZ7nPAAAAB0lEQVR4nGNg5+Bkoc35RgAAAAhJREFUZGIGAACHAB8Z603nAAAAAElFTkSuQmCC';
  expect([...decodePng(fromBase64(suggested)).image.data]).toEqual([7, 8, 9, 1, 2, 3]);
});

test('what fast-png reads is left as it is', () => {
  const png = joinBytes(
    pngSignature,
    encodeChunk('IHDR', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0)),
  );
  expect(makeReadable(png)).toBe(png);
  const nothing = Uint8Array.of(1, 2, 3);
  expect(makeReadable(nothing)).toBe(nothing);
});

test('an interlaced picture that is damaged, cut short or larger than its bytes is refused', () => {
  const file = (side: number, ...rows: number[]) =>
    joinBytes(
      pngSignature,
      encodeChunk('IHDR', Uint8Array.of(0, 0, side, 1, 0, 0, side, 1, 1, 0, 0, 0, 1)),
      encodeChunk('IDAT', zlibSync(Uint8Array.from(rows))),
      encodeChunk('IEND', new Uint8Array(0)),
    );
  expect(() => decodePng(file(255, 0, 0))).toThrow(ImageError);
  expect(() => decodePng(file(255, 0, 0))).toThrow(
    'png: the bytes are not a PNG file, or a damaged one (there are fewer than 532880645 bytes of pixels). Give another file.',
  );
  const small = fromBase64(grey[2].png);
  const wrongFilter = joinBytes(
    small.subarray(0, 33),
    encodeChunk('IDAT', zlibSync(new Uint8Array(64).fill(5))),
    encodeChunk('IEND', new Uint8Array(0)),
  );
  expect(() => decodePng(wrongFilter)).toThrow('(there is no filter 5)');
  for (const place of [18, 45, small.length - 20]) {
    const flipped = small.map((byte, i) => (i === place ? byte ^ 1 : byte));
    expect(() => decodePng(flipped)).toThrow(ImageError);
    expect(() => decodePng(small.subarray(0, place))).toThrow(ImageError);
  }
});

test('an index without a colour is damage too', () => {
  const png = joinBytes(
    pngSignature,
    encodeChunk('IHDR', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0)),
    encodeChunk('PLTE', Uint8Array.of(1, 2, 3)),
    encodeChunk('IDAT', zlibSync(Uint8Array.of(0, 1))),
    encodeChunk('IEND', new Uint8Array(0)),
  );
  expect(() => decodePng(png)).toThrow(ImageError);
});
