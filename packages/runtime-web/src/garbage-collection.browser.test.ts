import { GraphBuilder } from '@emulsion/onnx';
import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { createDevice } from './create-device.ts';

// The tests' browser offers it.
const { gc } = globalThis as { gc?: () => void };

test('weights are loaded from Blobs while garbage is collected', { timeout: 30_000 }, async () => {
  const device = await createDevice('wasm');
  const length = 100_000;
  const values = Float32Array.from({ length: 20 * length }, (_, i) => Math.floor(i / length));
  const blob = new Blob([values]);
  const g = new GraphBuilder('sum');
  const weights = Array.from({ length: 20 }, (_, i) => {
    const range = {
      file: { kind: 'blob', name: 'model', blob },
      offset: 4 * i * length,
      length: 4 * length,
    } as const;
    return g.initializer(`w${i}`, 'float32', [length], range);
  });
  g.output('y', g.op('Sum', [g.input('x', 'float32', [1]), ...weights]));
  if (!gc) throw new Error('This test needs a browser that was started with --js-flags=--expose-gc.');
  const collecting = setInterval(gc, 1);
  try {
    const session = await device.createSession(g.build());
    const { y } = await session.run({ x: tensor([1], [1]) });
    expect(y?.data.every((value) => value === 191)).toBe(true);
  } finally {
    clearInterval(collecting);
    await device.dispose();
  }
});
