import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { GraphBuilder } from './graph-builder.ts';
import { onlyOutputs } from './only-outputs.ts';

const model = () => {
  const g = new GraphBuilder('two');
  const [a, b] = [g.input('a', 'float32', ['n']), g.input('b', 'float32', ['n'])];
  const shared = g.op('Mul', [a, g.constant(tensor([2], [1]))], {}, { name: 'shared' });
  g.output('first', g.op('Neg', [shared], {}, { name: 'negated' }));
  g.output('second', g.op('Add', [shared, b], {}, { name: 'sum' }));
  g.output('third', g.op('Mul', [b, g.constant(tensor([3], [1]))], {}, { name: 'tripled' }));
  return g.build();
};

test('what no wanted output needs is left out', () => {
  const { graph } = onlyOutputs(model(), ['first']);
  expect(graph.inputs.map(({ name }) => name)).toEqual(['a']);
  expect(graph.outputs.map(({ name }) => name)).toEqual(['first']);
  expect(graph.nodes.map(({ name }) => name)).toEqual(['shared', 'negated', 'first/Identity']);
  expect(graph.initializers).toHaveLength(1);
});

test('with all outputs the graph stays as it is', () => {
  const whole = model();
  expect(onlyOutputs(whole, ['third', 'second', 'first'])).toEqual(whole);
});

test('an output that is not there is named', () => {
  expect(() => onlyOutputs(model(), ['fourth'])).toThrow(
    'two: there is no output "fourth" among first, second, third.',
  );
});
