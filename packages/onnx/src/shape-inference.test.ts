import { expect, test } from 'vitest';
import { GraphBuilder } from './graph-builder.ts';

const build = () => {
  const g = new GraphBuilder('test');
  return { g, x: g.input('x', 'float32', ['batch', 4, 'height', 'width']) };
};
const weights = (g: GraphBuilder, name: string, ...dims: number[]) =>
  g.initializer(name, 'float32', dims, new Uint8Array(4 * dims.reduce((a, b) => a * b)));

test('a padded 3×3 convolution keeps free sizes, a strided one derives them', () => {
  const { g, x } = build();
  const w = weights(g, 'w', 8, 4, 3, 3);
  expect(g.op('Conv', [x, w], { pads: [1, 1, 1, 1] }).type?.shape).toEqual(['batch', 8, 'height', 'width']);
  const half = g.op('Conv', [x, w], { pads: [1, 1, 1, 1], strides: [2, 2] });
  const alsoHalf = g.op('Conv', [x, w], { pads: [1, 1, 1, 1], strides: [2, 2] });
  expect(half.type?.shape).toEqual(alsoHalf.type?.shape);
  expect(() => g.op('Conv', [g.op('Concat', [x, x], { axis: 1 }), w])).toThrow(
    '8 channels came, 4 are wanted',
  );
});

test('shapes computed in the graph are followed: tokens and back', () => {
  const { g, x } = build();
  const tokens = g.op('Reshape', [x, g.ints(0, 4, -1)]);
  expect(tokens.type?.shape).toEqual(['batch', 4, 'height*width']);
  const flipped = g.op('Transpose', [tokens], { perm: [0, 2, 1] });
  const back = g.op('Reshape', [g.op('Transpose', [flipped], { perm: [0, 2, 1] }), g.op('Shape', [x])]);
  expect(back.type?.shape).toEqual(['batch', 4, 'height', 'width']);
  const heads = g.op('Reshape', [flipped, g.ints(0, 0, 2, 2)]);
  expect(heads.type?.shape).toEqual(['batch', 'height*width', 2, 2]);
  const rows = g.op('Reshape', [flipped, g.ints(-1, 4)]);
  expect(rows.type?.shape).toEqual(['batch*height*width', 4]);
});

test('a pooling of 2×2 pixels halves the size', () => {
  const { g, x } = build();
  const halving = { kernel_shape: [2, 2], strides: [2, 2] };
  expect(g.op('AveragePool', [x], halving).type?.shape).toEqual([
    'batch',
    4,
    'floor((height-2)/2+1)',
    'floor((width-2)/2+1)',
  ]);
  const odd = g.input('odd', 'float32', [1, 4, 8, 7]);
  expect(g.op('AveragePool', [odd], halving).type?.shape).toEqual([1, 4, 4, 3]);
});

test('a resize to the size of another tensor has that size', () => {
  const { g, x } = build();
  const small = g.op('Conv', [x, weights(g, 'w', 4, 4, 3, 3)], { pads: [1, 1, 1, 1], strides: [2, 2] });
  const sizes = g.op('Concat', [g.op('Shape', [small], { end: 2 }), g.op('Shape', [x], { start: 2 })], {
    axis: 0,
  });
  expect(g.op('Resize', [small, undefined, undefined, sizes]).type?.shape).toEqual(x.type?.shape);
});

test('numbers that do not broadcast are refused, free sizes are trusted', () => {
  const { g, x } = build();
  const seven = g.input('seven', 'float32', [1, 4, 1, 7]);
  expect(g.op('Add', [x, seven]).type?.shape).toEqual(['batch', 4, 'height', 7]);
  const five = g.input('five', 'float32', [1, 5, 1, 1]);
  expect(() => g.op('Add', [x, five])).toThrow(
    '4 and 5 do not broadcast: [batch, 4, height, width] with [1, 5, 1, 1]',
  );
});

test('slices, gathers, splits and reductions', () => {
  const { g, x } = build();
  expect(g.op('Slice', [x, g.ints(1), g.ints(-1), g.ints(1)]).type?.shape).toEqual([
    'batch',
    2,
    'height',
    'width',
  ]);
  expect(g.op('Gather', [x, g.ints(0, 2)], { axis: 1 }).type?.shape).toEqual(['batch', 2, 'height', 'width']);
  expect(g.op('ReduceMean', [x, g.ints(2, 3)], { keepdims: 0 }).type?.shape).toEqual(['batch', 4]);
  expect(g.op('Unsqueeze', [g.op('Squeeze', [g.scalar(1), g.ints()]), g.ints(0)]).type?.shape).toEqual([1]);
});

test('arithmetic on sizes drops what changes nothing', () => {
  const { g, x } = build();
  const batch = g.op('Shape', [x], { end: 1 });
  const zero = g.op('Mul', [batch, g.ints(0)]);
  const shape = g.op('Add', [zero, g.ints(3, 5)]);
  expect(g.op('Reshape', [weights(g, 'w', 5, 3), shape]).type?.shape).toEqual([3, 5]);
  expect(g.op('Div', [batch, g.ints(1)]).type?.elements).toEqual(['batch']);
  expect(g.op('Sub', [batch, g.ints(2)]).type?.elements).toEqual(['(batch-2)']);
});
