import { expect, test } from 'vitest';
import { findUnsupported, unsupported } from './unsupported.ts';

test('an entry names the cases that have all of its traits', () => {
  const unet = { kind: 'unet', family: 'sdxl' };
  const list = [{ area: 'models', kind: 'unet', family: 'sdxl', reason: 'later' }] as const;
  expect(findUnsupported('models', unet, list)?.reason).toBe('later');
  expect(findUnsupported('models', { ...unet, family: 'sd1' }, list)).toBeUndefined();
  expect(findUnsupported('models', { kind: 'vae', family: 'sdxl' }, list)).toBeUndefined();
  expect(findUnsupported('onnx', unet, list)).toBeUndefined();
});

test('every entry has a reason, and no two name the same', () => {
  const names = unsupported.map(({ reason, ...traits }) => {
    expect(reason).not.toBe('');
    return JSON.stringify(traits);
  });
  expect(new Set(names).size).toBe(names.length);
});
