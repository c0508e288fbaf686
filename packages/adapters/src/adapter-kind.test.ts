import { memoryFolder, writeSafetensors } from '@emulsion/checkpoints';
import { tensor } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { expect, test } from 'vitest';
import { adapterKindOf } from './adapter-kind.ts';

test('files are told apart by what they hold', async () => {
  const files = (await openFixture('golden/open/adapters')).subfolder('files');
  const kinds = [
    ['embedding', 'ti_my-emb1_a1111.pt'],
    ['embedding', 'ti_my-emb1_a1111_legacy.pt'],
    ['embedding', 'ti_my-emb3_diffusers.bin'],
    ['embedding', 'ti_my-emb3_a1111.safetensors'],
    ['hypernetwork', 'hn_relu_ln.pt'],
    ['hypernetwork', 'hn_old_format.pt'],
    ['lora', 'lora_kohya.safetensors'],
    ['lora', 'lora_diffusers_attn_only.safetensors'],
  ] as const;
  for (const [kind, path] of kinds) expect(await adapterKindOf(files, path), path).toBe(kind);
  expect(await adapterKindOf(await openFixture('embeddings'), 'hidden-card.png')).toBe('embedding');
});

test('so are those of other ways to save them', async () => {
  const one = tensor([1, 2], [1, 2]);
  const folder = memoryFolder({
    'xl.safetensors': writeSafetensors({ clip_l: one, clip_g: one }),
    'own.safetensors': writeSafetensors({ '2.key.linear.0.weight': one }, { hypernetwork: '{}' }),
    'lora.safetensors': writeSafetensors({ 'a.lora_A.weight': one, 'bundle_emb.b.clip_l': one }),
    'short.safetensors': writeSafetensors({ a: one }).subarray(0, 20),
  });
  expect(await adapterKindOf(folder, 'xl.safetensors')).toBe('embedding');
  expect(await adapterKindOf(folder, 'own.safetensors')).toBe('hypernetwork');
  expect(await adapterKindOf(folder, 'lora.safetensors')).toBe('lora');
  await expect(adapterKindOf(folder, 'short.safetensors')).rejects.toThrow('it is cut short');
});
