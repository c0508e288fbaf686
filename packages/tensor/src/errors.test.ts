import { expect, test } from 'vitest';
import { EmulsionError, InvalidArgumentError, ShapeError } from './errors.ts';

test('an error is recognised as its own class and its base, and as no other', () => {
  const error = new ShapeError('wrong shape', { cause: 'a cause' });
  expect(ShapeError.is(error)).toBe(true);
  expect(EmulsionError.is(error)).toBe(true);
  expect(InvalidArgumentError.is(error)).toBe(false);
  expect(EmulsionError.is(new Error('plain'))).toBe(false);
  expect(EmulsionError.is(null)).toBe(false);
  expect(error.name).toBe('ShapeError');
  expect(error.cause).toBe('a cause');
});

test('an error of another copy of the package is recognised', () => {
  const copy = Object.assign(new Error('from elsewhere'), {
    [Symbol.for('@emulsion/error')]: ['ShapeError', 'EmulsionError'],
  });
  expect(ShapeError.is(copy)).toBe(true);
});
