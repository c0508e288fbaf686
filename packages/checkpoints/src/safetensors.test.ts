import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { memoryFolder } from './memory-folder.ts';
import { readTensor } from './read-tensor.ts';
import { openSafetensors } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

test('what is written is read back', async () => {
  const a = tensor([1, -2.5, 3, 4, 5, 6], [2, 3]);
  const folder = memoryFolder({
    'm.safetensors': writeSafetensors({ a, flag: tensor(Uint8Array.of(1), [1]) }),
  });
  const weights = await openSafetensors(folder, 'm.safetensors');
  expect([...weights.keys()]).toEqual(['a', 'flag']);
  expect(await readTensor(folder, weights.get('a')!)).toEqual(a);
});
