import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { GraphError } from './errors.ts';
import { float, type Graph, type Model, type Node, type Value } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import { readModel } from './read-model.ts';
import { writeModel } from './write-model.ts';

const file = { kind: 'path', path: '/models/unet.safetensors' } as const;
const locate = (ref: { kind: string; path?: string; name?: string }) => ref.path ?? ref.name ?? '';
const resolve = (location: string, offset: number, length: number) => ({
  file: { kind: 'path', path: location } as const,
  offset,
  length,
});

function sample(): Model {
  const g = new GraphBuilder('sample');
  const x = g.input('x', 'float32', ['batch', 4]);
  const w = g.initializer('w', 'float16', [8, 4], { file, offset: 96, length: 64 });
  const h = g.op(
    'Gemm',
    [x, g.op('Cast', [w], { to: 1 }), undefined],
    { transB: 1, alpha: float(0.5) },
    { name: 'proj' },
  );
  const [left, right] = g.ops('Split', [h, g.ints(3, 5)], { axis: 1 }, { outputs: 2 });
  g.output('left', g.op('Resize', [left!, undefined, g.constant(tensor([1, 2], [2]))], { mode: 'nearest' }));
  g.output('right', right!);
  return g.build();
}

/** A graph with values replaced by their names, so that two graphs can be compared. */
const outline = (graph: Graph) => ({
  name: graph.name,
  inputs: graph.inputs,
  outputs: graph.outputs.map(({ name }) => name),
  nodes: graph.nodes.map((node: Node) => ({
    ...node,
    inputs: node.inputs.map((value?: Value) => value?.name),
    outputs: node.outputs.map(({ name }) => name),
  })),
  initializers: graph.initializers.map(({ value, ...rest }) => ({ name: value.name, ...rest })),
});

test('a model survives the round trip through protobuf, weights in files included', () => {
  const model = sample();
  const read = readModel(writeModel(model, locate), resolve);
  expect(outline(read.graph)).toEqual(outline(model.graph));
  expect(read.opsetVersions).toEqual({ '': 20, 'com.microsoft': 1 });
  expect(read.graph.initializers.find(({ value }) => value.name === 'w')?.data).toEqual({
    file,
    offset: 96,
    length: 64,
  });
});

test('types are inferred while the graph is written', () => {
  const { outputs } = sample().graph;
  expect(outputs.map(({ type }) => type?.shape)).toEqual([
    ['batch', 6],
    ['batch', 5],
  ]);
});

test('a node whose inputs do not fit is refused with its name and the shapes', () => {
  const g = new GraphBuilder('unet');
  const x = g.input('x', 'float32', ['batch', 3]);
  const w = g.initializer('w', 'float32', [8, 4], new Uint8Array(128));
  expect(() => g.op('Gemm', [x, w], { transB: 1 }, { name: 'down.to_q' })).toThrow(
    'unet: down.to_q: Gemm of [batch, 3] and [8, 4]: 3 columns meet 4 rows',
  );
});

test('of two values that a condition decides between, each is written within a branch', () => {
  const g = new GraphBuilder('choice');
  const x = g.input('x', 'float32', ['rows', 4]);
  const isWanted = g.op('Cast', [g.input('scale', 'float32', [1])], { to: 9 });
  const y = g.either(
    isWanted,
    () => g.op('Relu', [x]),
    () => x,
  );
  expect(y.type).toEqual({ dataType: 'float32', shape: ['rows', 4] });
  const narrower = g.either(
    isWanted,
    () => g.op('Transpose', [g.op('Slice', [x, g.ints(0), g.ints(1), g.ints(0)])], { perm: [0, 1] }),
    () => x,
  );
  expect(narrower.type?.shape).toEqual([undefined, 4]);
  g.output('y', y);
  const { graph } = g.build();
  const chosen = graph.nodes.find(({ opType }) => opType === 'If')!;
  const [first, second] = Object.values(chosen.attributes).map((attribute) =>
    attribute.kind === 'graph' ? attribute.value.nodes.map(({ opType }) => opType) : [],
  );
  expect(Object.keys(chosen.attributes)).toEqual(['then_branch', 'else_branch']);
  expect([first, second]).toEqual([['Relu', 'Identity'], ['Identity']]);
  const bytes = writeModel(g.build(), locate);
  expect(outline(readModel(bytes, resolve).graph).nodes.length).toBe(graph.nodes.length);
});

test('an initializer whose bytes do not match its dims is refused', () => {
  const g = new GraphBuilder('unet');
  expect(() => g.initializer('w', 'float32', [8, 4], new Uint8Array(127))).toThrow(
    'unet: "w" has 127 bytes, float32 [8, 4] takes 128. The file that it is from is damaged.',
  );
});

test('equal constants are stored once', () => {
  const g = new GraphBuilder('constants');
  expect(g.ints(1, 2)).toBe(g.ints(1, 2));
  expect(g.ints(1, 2)).not.toBe(g.ints(2, 1));
  expect(g.scalar(1)).not.toBe(g.ints(1));
});

test('bytes that are not an ONNX model give a named error', () => {
  const bytes = writeModel(sample(), locate);
  expect(() => readModel(Uint8Array.of(255, 255, 255), resolve)).toThrow(GraphError);
  expect(() => readModel(bytes.subarray(0, bytes.length - 7), resolve)).toThrow(
    'is not an ONNX file, or the file is cut off'.slice(3),
  );
  expect(() => readModel(new Uint8Array(), resolve)).toThrow(
    'ONNX model: the file has no graph. Fetch it again.',
  );
});

test('graphs that lie thousands deep inside of each other are refused', () => {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
  const field = (number: number, body: readonly Uint8Array[]): Uint8Array[] => {
    const length = body.reduce((sum, part) => sum + part.length, 0);
    return [Uint8Array.of(...varint(number * 8 + 2), ...varint(length)), ...body];
  };
  const isGraph = Uint8Array.of(0xa0, 0x01, 5); // the attribute's type
  let graph: Uint8Array[] = [];
  for (let depth = 0; depth < 2500; depth++) graph = field(1, field(5, [...field(6, graph), isGraph]));
  const bytes = Uint8Array.from(field(7, graph).flatMap((part) => [...part]));
  try {
    // What engines with a larger stack can hold, they read.
    expect(readModel(bytes, resolve).graph.nodes).toHaveLength(1);
  } catch (error) {
    expect(error).toSatisfy(GraphError.is.bind(GraphError));
  }
});
