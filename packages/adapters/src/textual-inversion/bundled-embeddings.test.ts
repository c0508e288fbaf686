import { memoryFolder, openSafetensors, writeSafetensors } from '@emulsion/checkpoints';
import { tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { isBundledEmbedding, readBundledEmbeddings } from './bundled-embeddings.ts';

test('embeddings are found among the weights of a LoRA, of one encoder and of two', async () => {
  const [one, left, right] = [
    tensor([1, 2, 3, 4], [2, 2]),
    tensor([5, 6], [1, 2]),
    tensor([7, 8, 9], [1, 3]),
  ];
  const folder = memoryFolder({
    'lora.safetensors': writeSafetensors({
      'lora_unet_conv_in.lora_down.weight': one,
      'bundle_emb.s1.string_to_param.*': one,
      'bundle_emb.pony style.clip_l': left,
      'bundle_emb.pony style.clip_g': right,
    }),
  });
  const weights = await openSafetensors(folder, 'lora.safetensors');
  const embeddings = await readBundledEmbeddings(folder, weights);
  expect(embeddings.map(({ name }) => name).sort()).toEqual(['pony style', 's1']);
  const byName = (name: string) => embeddings.find((embedding) => embedding.name === name)!;
  expect(byName('s1').encoders).toEqual([{ vectors: one }]);
  expect(byName('pony style').encoders).toContainEqual({ encoder: 'clip-l', vectors: left });
  expect(byName('pony style').encoders).toContainEqual({ encoder: 'clip-g', vectors: right });
  expect([...weights.keys()].filter((name) => !isBundledEmbedding(name))).toEqual([
    'lora_unet_conv_in.lora_down.weight',
  ]);
});
