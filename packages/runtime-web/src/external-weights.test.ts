import { type FileRef, GraphBuilder, isByteRange } from '@emulsion/onnx';
import { expect, test } from 'vitest';
import { separateWeights } from './external-weights.ts';

/** A graph with weights of 4 bytes at these places of a file. */
function graphOver(file: FileRef, offsets: readonly number[]) {
  const g = new GraphBuilder('unet');
  const x = g.input('x', 'float32', [1]);
  const weights = offsets.map((offset) =>
    g.initializer(`w${offset}`, 'float32', [1], { file, offset, length: 4 }),
  );
  g.output('y', g.op('Sum', [x, ...weights]));
  return g.build();
}

const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);

test('each weight is a file of its own, which starts with it', async () => {
  const file: FileRef = { kind: 'blob', name: 'model', blob: new Blob([bytes]) };
  const { model, weights } = separateWeights(graphOver(file, [3, 8]));
  const contents = weights.map(({ data }) =>
    data instanceof Blob ? data.arrayBuffer() : data.slice().buffer,
  );
  expect((await Promise.all(contents)).map((buffer) => [...new Uint8Array(buffer)])).toEqual([
    [3, 4, 5, 6],
    [8, 9, 10, 11],
  ]);
  const ranges = model.graph.initializers.map(({ data }) => (isByteRange(data) ? data : undefined));
  expect(ranges).toMatchObject([
    { file: { name: weights[0]?.path }, offset: 0, length: 4 },
    { file: { name: weights[1]?.path }, offset: 0, length: 4 },
  ]);
});

test('bytes in memory are not copied', () => {
  const { weights } = separateWeights(graphOver({ kind: 'bytes', name: 'model', bytes }, [4]));
  const [weight] = weights;
  expect(weight?.data instanceof Uint8Array && weight.data.buffer).toBe(bytes.buffer);
});

test('a weight in a file system is refused with the way to open it', () => {
  const model = graphOver({ kind: 'path', path: '/models/unet.safetensors' }, [0]);
  expect(() => separateWeights(model)).toThrow(
    'unet: its weights lie at the path /models/unet.safetensors, which a browser cannot open. Open the folder with openFolder or fetchFolder of @emulsion/runtime-web.',
  );
});
