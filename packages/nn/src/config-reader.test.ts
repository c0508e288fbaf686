import { expect, test } from 'vitest';
import { ConfigError, ConfigReader } from './config-reader.ts';

const config = new ConfigReader('unet', {
  width: 4,
  name: 'a',
  list: [1, 2],
  words: ['x'],
  on: true,
  nothing: null,
});

test('values are read, and null is as good as missing', () => {
  expect(config.number('width')).toBe(4);
  expect(config.number('nothing', 7)).toBe(7);
  expect(config.optionalNumber('nothing')).toBeUndefined();
  expect(config.string('name')).toBe('a');
  expect(config.boolean('on', false)).toBe(true);
  expect(config.perBlock('width', 2)).toEqual([4, 4]);
  expect(config.perBlock('list', 2)).toEqual([1, 2]);
  expect(config.strings('words')).toEqual(['x']);
  expect(config.oneOf('name', ['a', 'b'])).toBe('a');
});

test('numbers for each layer are one for all, one for a block or a list for its layers', () => {
  const layers = new ConfigReader('unet', {
    all: 2,
    blocks: [1, 3],
    nested: [1, [2, 3]],
    flags: [true, false],
  });
  expect(layers.perLayer('all', [2, 1])).toEqual([[2, 2], [2]]);
  expect(layers.perLayer('blocks', [2, 1])).toEqual([[1, 1], [3]]);
  expect(layers.perLayer('nested', [1, 2])).toEqual([[1], [2, 3]]);
  expect(() => layers.perLayer('nested', [1, 3])).toThrow(
    'unet: "nested" in its config.json is [1,[2,3]]; one number, or for the blocks one each or a list of 1, 3, is wanted.',
  );
  expect(layers.flagPerBlock('flags', 2, false)).toEqual([true, false]);
  expect(layers.flagPerBlock('missing', 2, true)).toEqual([true, true]);
  expect(() => layers.flagPerBlock('flags', 3, false)).toThrow(
    'unet: "flags" in its config.json is [true,false]; true or false, or one for each of 3 blocks, is wanted.',
  );
  expect(config.isNull('nothing')).toBe(true);
  expect(config.isNull('missing')).toBe(false);
});

test('a value of the wrong kind is refused with its key and what is wanted', () => {
  expect(() => config.number('name')).toThrow(ConfigError);
  expect(() => config.number('name')).toThrow('unet: "name" in its config.json is "a"; a number is wanted.');
  expect(() => config.perBlock('list', 3)).toThrow(
    '"list" in its config.json is [1,2]; one number for each of 3 blocks is wanted.',
  );
  expect(() => config.oneOf('name', ['b', 'c'])).toThrow(
    '"name" in its config.json is "a"; b, c are supported.',
  );
  expect(() => config.refuseUnless('on', [null, false])).toThrow(
    '"on" in its config.json is true; null, false are supported.',
  );
  expect(() => new ConfigReader('unet', [])).toThrow(
    'unet: its config.json is not an object. Fetch it again.',
  );
});
