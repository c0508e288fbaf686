import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { dataTypeNumbers } from './data-type.ts';
import { GraphBuilder } from './graph-builder.ts';
import { activationMemory, inputShapes, weightMemory } from './graph-memory.ts';

const file = { kind: 'path', path: '/weights' } as const;

test('weights that are cast at load take what they are cast to, those that are cast in a run what is stored', () => {
  const g = new GraphBuilder('casts');
  const x = g.input('x', 'float32', ['n', 8]);
  const stored = (name: string) => g.initializer(name, 'float16', [8, 8], { file, offset: 0, length: 128 });
  const to = { to: dataTypeNumbers.float32 };
  const folded = g.op('MatMul', [x, g.op('Cast', [stored('early')], to)]);
  const zero = g.op('Mul', [g.op('Shape', [x], { start: 0, end: 1 }), g.ints(0)]);
  const late = g.op('Reshape', [stored('late'), g.op('Add', [zero, g.ints(8, 8)])]);
  g.output('y', g.op('MatMul', [folded, g.op('Cast', [late], to)]));
  const model = g.build();
  const constants = 8 + 16; // the 0 and the 8, 8
  expect(weightMemory(model)).toEqual({ stored: 256, loaded: 256 + 128 + constants });
});

test('activations are counted while they are needed, views and what is overwritten once', () => {
  const g = new GraphBuilder('chain');
  const x = g.input('x', 'float32', ['n', 4]);
  const weight = g.constant(tensor(new Float32Array(4 * 32), [4, 32]));
  const wide = g.op('MatMul', [x, weight]); // 8 times x, beside it
  const activated = g.op('Sigmoid', [wide]); // in its place
  const view = g.op('Reshape', [activated, g.ints(-1, 32)]);
  g.output('y', g.op('MatMul', [view, g.constant(tensor(new Float32Array(32 * 4), [32, 4]))]));
  expect(activationMemory(g.build(), { x: [100, 4] })).toBe(4 * 100 * (4 + 32 + 4));
  expect(activationMemory(g.build(), { x: [200, 4] })).toBe(4 * 200 * (4 + 32 + 4));
});

test('what is read again later is not overwritten', () => {
  const g = new GraphBuilder('skip');
  const x = g.input('x', 'float32', ['n']);
  const doubled = g.op('Add', [x, x]);
  const activated = g.op('Sigmoid', [doubled]);
  g.output('y', g.op('Mul', [activated, doubled]));
  // `doubled` stays beside `activated`, which gives its place to the product; `x` is the caller's.
  expect(activationMemory(g.build(), { x: [10] })).toBe(3 * 40);
});

test('of two branches the cheaper one counts, and the weights of both', () => {
  const g = new GraphBuilder('branches');
  const x = g.input('x', 'float32', ['n', 4]);
  const weight = g.constant(tensor(new Float32Array(16), [4, 4]));
  const isActive = g.op('Cast', [g.op('ReduceL1', [g.input('scale', 'float32', [1])], { keepdims: 0 })], {
    to: dataTypeNumbers.bool,
  });
  const doubled = g.op('Add', [x, x]);
  const either = g.either(
    isActive,
    () => g.op('MatMul', [doubled, weight]),
    () => doubled,
  );
  g.output('y', g.op('Add', [either, doubled]));
  const model = g.build();
  expect(weightMemory(model)).toEqual({ stored: 0, loaded: 64 });
  const scalars = 4 + 4 + 1; // the scale, its sum, and whether that is not 0
  expect(activationMemory(model, inputShapes(model, { n: 100 })!)).toBeLessThanOrEqual(3 * 1600 + scalars);
  expect(activationMemory(model, inputShapes(model, { n: 100 })!)).toBeGreaterThanOrEqual(3 * 1600);
});

test('a graph with an operator that is not known has no estimate, nor one without the shape of an input', () => {
  const g = new GraphBuilder('strange');
  g.output('y', g.op('Strange', [g.input('x', 'float32', ['n'])]));
  expect(activationMemory(g.build(), { x: [3] })).toBeUndefined();
  expect(activationMemory(g.build(), {})).toBeUndefined();
});

test('shapes that do not fit are refused', () => {
  const g = new GraphBuilder('product');
  g.output('y', g.op('MatMul', [g.input('a', 'float32', ['n', 'k']), g.input('b', 'float32', ['k', 'm'])]));
  expect(() => activationMemory(g.build(), { a: [2, 3], b: [4, 5] })).toThrow('3 columns meet 4 rows');
});

test('names of sizes are bound, and what is not named is one element', () => {
  const g = new GraphBuilder('sizes');
  const x = g.input('x', 'float32', ['batch', 4, 'height']);
  g.output('y', g.op('Add', [x, g.input('residual', 'float32', [undefined, undefined, undefined])]));
  const model = g.build();
  expect(inputShapes(model, { batch: 2, height: 3 })).toEqual({ x: [2, 4, 3], residual: [1, 1, 1] });
  expect(inputShapes(model, { batch: 2 })).toEqual({ x: [2, 4, 1], residual: [1, 1, 1] });
});
