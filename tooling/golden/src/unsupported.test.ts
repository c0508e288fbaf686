import { expect, test } from 'vitest';
import { findUnsupported, unsupported, uselessEntries } from './unsupported.ts';

test('an entry names the cases that have all of its traits', () => {
  const unet = { kind: 'unet', family: 'sdxl' };
  const list = [{ area: 'models', kind: 'unet', family: 'sdxl', reason: 'later' }] as const;
  expect(findUnsupported('models', unet, list)?.reason).toBe('later');
  expect(findUnsupported('models', { ...unet, family: 'sd1' }, list)).toBeUndefined();
  expect(findUnsupported('models', { kind: 'vae', family: 'sdxl' }, list)).toBeUndefined();
  expect(findUnsupported('onnx', unet, list)).toBeUndefined();
});

test('an entry that names no case of its area is useless', () => {
  const list = [
    { area: 'models', kind: 'unet', reason: 'later' },
    { area: 'models', kind: 'vae', reason: 'later' },
    { area: 'onnx', kind: 'vae', reason: 'later' },
  ] as const;
  expect(uselessEntries('models', [{ kind: 'unet', family: 'sd1' }], list)).toEqual([list[1]]);
});

test('every entry has a reason, and no two name the same', () => {
  const names = unsupported.map(({ reason, ...traits }) => {
    expect(reason).not.toBe('');
    return JSON.stringify(traits);
  });
  expect(new Set(names).size).toBe(names.length);
});
