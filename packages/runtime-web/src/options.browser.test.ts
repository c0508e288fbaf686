import { GraphBuilder } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { createDevice } from './create-device.ts';

test('a device has the threads that it is given, and its file from where it is said to be', async () => {
  const asked: string[] = [];
  const locateWasm = (fileName: string) => {
    asked.push(fileName);
    return `/packages/runtime-web/node_modules/onnxruntime-web/dist/${fileName}`;
  };
  const device = await createDevice('wasm', { threads: 2, locateWasm });
  expect(asked).toEqual(['ort-wasm-simd-threaded.jspi.wasm']);
  expect(device.notes).toEqual(['WebAssembly with 2 threads.']);
  const g = new GraphBuilder('product');
  const x = g.input('x', 'float32', [256, 256]);
  g.output('y', g.op('MatMul', [x, x]));
  const session = await device.createSession(g.build());
  const { y } = await session.run({ x: tensor(new Float32Array(256 ** 2).fill(1), [256, 256]) });
  expect(y?.data.every((value) => value === 256)).toBe(true);
  await device.dispose();
});
