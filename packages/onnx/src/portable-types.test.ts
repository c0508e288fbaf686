import { expect, test } from 'vitest';
import type { Value } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import { withPortableTypes } from './portable-types.ts';

const typesOf = (values: readonly Value[]) => values.map(({ name, type }) => [name, type?.dataType]);

test('inputs and outputs of other types are cast, under the same names', () => {
  const g = new GraphBuilder('exported');
  const ids = g.input('input_ids', 'int64', ['batch', 77]);
  const sample = g.input('sample', 'float16', ['batch']);
  g.output('kept', g.input('scale', 'float32', []));
  g.output('ids', g.op('Add', [ids, ids]));
  g.output('sum', g.op('Add', [sample, sample]));
  const { graph } = withPortableTypes(g.build());
  expect(typesOf(graph.inputs)).toEqual([
    ['input_ids', 'int32'],
    ['sample', 'float32'],
    ['scale', 'float32'],
  ]);
  expect(typesOf(graph.outputs).map(([, type]) => type)).toEqual(['float32', 'int32', 'float32']);
  const [first, second] = graph.nodes.filter(({ opType }) => opType === 'Add');
  expect(first!.inputs[0]!.type).toEqual({ dataType: 'int64', shape: ['batch', 77] });
  expect(second!.inputs[0]!.type?.dataType).toBe('float16');
  expect(graph.nodes.filter(({ opType }) => opType === 'Cast')).toHaveLength(4);
  // Every value is given once, before it is used.
  const known = new Set<Value>([...graph.inputs, ...graph.initializers.map(({ value }) => value)]);
  for (const { inputs, outputs } of graph.nodes) {
    for (const value of inputs) if (value) expect(known.has(value), value.name).toBe(true);
    for (const value of outputs) known.add(value);
  }
  for (const value of graph.outputs) expect(known.has(value)).toBe(true);
});

test('a graph that is portable stays as it is', () => {
  const g = new GraphBuilder('portable');
  g.output('out', g.op('Abs', [g.input('x', 'float32', [1])]));
  const model = g.build();
  expect(withPortableTypes(model)).toBe(model);
});
