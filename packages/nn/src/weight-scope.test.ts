import { memoryFolder, openSafetensors, writeSafetensors } from '@emulsion/checkpoints';
import { type AnyTensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { NetworkBuilder } from './network-builder.ts';
import { WeightError, WeightScope } from './weight-scope.ts';

async function scopeOf(tensors: Record<string, AnyTensor>): Promise<WeightScope> {
  const folder = memoryFolder({ 'model.safetensors': writeSafetensors(tensors) });
  return WeightScope.of('unet', await openSafetensors(folder, 'model.safetensors'));
}

const network = () =>
  new NetworkBuilder('unet', {
    attention: 'fused',
    groupNorm: 'layer',
    fillsConvs: false,
    blocksConvs: false,
    branches: false,
    lateCasts: [],
  });
const weight = tensor([1, 2, 3, 4, 5, 6], [3, 2]);

test('a missing weight, a wrong shape and a wrong type name the weight and what to do', async () => {
  const w = await scopeOf({ 'down.conv.weight': weight, ids: tensor(Int32Array.of(1), [1]) });
  const n = network();
  const down = w.at('down');
  expect(() => down.at('conv').value(n, 'bias', [3])).toThrow(WeightError);
  expect(() => down.at('conv').value(n, 'bias', [3])).toThrow(
    'unet: the checkpoint has no weight "down.conv.bias". Its config.json asks for it: take config and weights from the same model.',
  );
  expect(() => down.at('conv').value(n, 'weight', [2, 3])).toThrow(
    'unet: "down.conv.weight" is [3, 2], its config.json asks for [2, 3]. Take config and weights from the same model.',
  );
  expect(() => w.value(n, 'ids', [1])).toThrow(
    'unet: "ids" is int32. Weights of type float32, float16 or bfloat16 are wanted.',
  );
});

test('dims of size 1 may be added, so that a 1×1 convolution is a matrix', async () => {
  const w = await scopeOf({ weight });
  expect(w.value(network(), 'weight', [3, 2, 1, 1]).type?.shape).toEqual([3, 2, 1, 1]);
});

test('rows of a weight are a part of its file', async () => {
  const w = await scopeOf({ weight });
  const n = network();
  w.rows(n, 'weight', [3, 2], 1, 3);
  const whole = network();
  w.value(whole, 'weight', [3, 2]);
  const range = (builder: NetworkBuilder) => builder.build().graph.initializers[0]!.data;
  expect(range(n)).toMatchObject({ length: 16 });
  expect(range(whole)).toMatchObject({ length: 24 });
  expect(range(n)).toMatchObject({ offset: (range(whole) as { offset: number }).offset + 8 });
});

test('weights that nobody asked for are listed', async () => {
  const w = await scopeOf({ weight, 'extra.bias': weight });
  w.value(network(), 'weight', [3, 2]);
  expect(w.unused()).toEqual(['extra.bias']);
});
