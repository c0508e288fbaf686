import { GraphBuilder, writeModel } from '@emulsion/onnx';
import { expect, test } from 'vitest';
import { InvalidFileError, MissingFileError } from './errors.ts';
import { memoryFolder } from './memory-folder.ts';
import { openOnnx } from './open-onnx.ts';

/** A graph with one weight of 16 bytes in another file. */
function modelWith(location: string, offset = 8): Uint8Array {
  const g = new GraphBuilder('sample');
  const file = { kind: 'path', path: location } as const;
  const w = g.initializer('w', 'float32', [4], { file, offset, length: 16 });
  g.output('y', g.op('Add', [g.input('x', 'float32', [4]), w]));
  return writeModel(g.build(), () => location);
}
const open = (files: Record<string, Uint8Array>) => openOnnx(memoryFolder(files, 'unet'), 'onnx/model.onnx');

test('weights in other files stay there', async () => {
  const data = new Uint8Array(24);
  const { graph } = await open({
    'onnx/model.onnx': modelWith('model.onnx_data'),
    'onnx/model.onnx_data': data,
  });
  expect(graph.initializers[0]?.data).toEqual({
    file: { kind: 'bytes', name: 'unet/onnx/model.onnx_data', bytes: data },
    offset: 8,
    length: 16,
  });
});

test('weights that are missing, cut short or outside of the folder are refused', async () => {
  await expect(open({ 'onnx/model.onnx': modelWith('w') })).rejects.toSatisfy(
    MissingFileError.is.bind(MissingFileError),
  );
  await expect(open({ 'onnx/model.onnx': modelWith('w'), 'onnx/w': new Uint8Array(23) })).rejects.toThrow(
    'unet/onnx/model.onnx: its weights go on to byte 24 of "w", which has 23. Download or save the file again.',
  );
  await expect(open({ 'onnx/model.onnx': modelWith('../../etc/passwd') })).rejects.toThrow(
    'unet/onnx/model.onnx: its weights are said to be in "../../etc/passwd", which is no file beside it. Download or save the file again.',
  );
});

test('what is no graph is refused with the name of the file', async () => {
  const opened = open({ 'onnx/model.onnx': Uint8Array.of(1, 2, 3) });
  await expect(opened).rejects.toSatisfy(InvalidFileError.is.bind(InvalidFileError));
  await expect(opened).rejects.toThrow('unet/onnx/model.onnx: ONNX model: the bytes are not an ONNX file');
});
