import { dataTypeNumbers, type FileRef, GraphBuilder, isByteRange } from '@emulsion/onnx';
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
  const { model, weights } = await separateWeights(graphOver(file, [3, 8]));
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

test('bytes in memory are not copied', async () => {
  const { weights } = await separateWeights(graphOver({ kind: 'bytes', name: 'model', bytes }, [4]));
  const [weight] = weights;
  expect(weight?.data instanceof Uint8Array && weight.data.buffer).toBe(bytes.buffer);
});

test('bfloat16 becomes float32, of which it is the upper half', async () => {
  const values = Float32Array.of(1, -2.5, Number.NaN, 3e38);
  const upper = Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
  const file: FileRef = { kind: 'bytes', name: 'model', bytes: new Uint8Array(upper.buffer) };
  const g = new GraphBuilder('unet');
  const weight = g.initializer('w', 'bfloat16', [4], { file, offset: 0, length: 8 });
  g.output('y', g.op('Cast', [weight], { to: dataTypeNumbers.float32 }));
  const { model, weights } = await separateWeights(g.build());
  expect(model.graph.initializers[0]).toMatchObject({ dataType: 'float32', data: { offset: 0, length: 16 } });
  const [only] = weights;
  const wide = new Float32Array(only?.data instanceof Blob ? await only.data.arrayBuffer() : []);
  expect([...wide]).toEqual([
    1,
    -2.5,
    Number.NaN,
    new Float32Array(Uint32Array.of(upper[3]! << 16).buffer)[0],
  ]);
});

test('a weight in a file system is refused with the way to open it', async () => {
  const model = graphOver({ kind: 'path', path: '/models/unet.safetensors' }, [0]);
  await expect(separateWeights(model)).rejects.toThrow(
    'unet: its weights lie at the path /models/unet.safetensors, which a browser cannot open. Open the folder with openFolder or fetchFolder of @emulsion/runtime-web.',
  );
});
