import { memoryFolder, writeSafetensors } from '@emulsion/checkpoints';
import { tensor } from '@emulsion/tensor';
import { openFixture } from '@emulsion/testing';
import { expect, test } from 'vitest';
import { pictureReaderKind, tensorNames } from './picture-reader-kind.ts';

const fileWith = (...names: readonly string[]) => ({
  folder: memoryFolder({
    'adapter.safetensors': writeSafetensors(
      Object.fromEntries(names.map((name) => [name, tensor([1], [1])] as const)),
    ),
  }),
  path: 'adapter.safetensors',
});

test('adapters that read pictures are told by the names of their weights', async () => {
  const kindOf = (...names: readonly string[]) => pictureReaderKind(fileWith(...names));
  expect(await kindOf('image_proj.proj.weight', 'ip_adapter.1.to_k_ip.weight')).toBe('ip-adapter');
  expect(await kindOf('conv_in.weight', 'body.0.block1.weight')).toBe('t2i-adapter');
  expect(await kindOf('body.0.in_conv.weight', 'body.0.out_conv.weight')).toBe('t2i-adapter');
  expect(await kindOf('control_model.input_hint_block.0.weight')).toBe('controlnet');
  expect(await kindOf('controlnet_cond_embedding.conv_in.weight')).toBe('controlnet');
  expect(await kindOf('lora_unet_mid_block.lora_up.weight')).toBeUndefined();
  expect(await kindOf('unet.conv_in.lora_A.weight')).toBeUndefined();
});

test('and folders by the class that their config.json names', async () => {
  const recorded = await openFixture('image-adapters');
  expect(await pictureReaderKind({ folder: recorded.subfolder('t2i-adapter') })).toBe('t2i-adapter');
  const controlNet = await openFixture('golden/open/models/controlnet');
  expect(await pictureReaderKind({ folder: controlNet })).toBe('controlnet');
  const other = memoryFolder({ 'config.json': '{"_class_name":"AutoencoderKL"}' }, 'vae');
  await expect(pictureReaderKind({ folder: other })).rejects.toThrow(
    'adapters: vae is a folder, and "_class_name" in its config.json is "AutoencoderKL". Of folders ControlNetModel and T2IAdapter are adapters; of others give the path of the file.',
  );
});

test('a pickled IP-Adapter has two dicts, which count as one', async () => {
  const folder = await openFixture('image-adapters');
  const names = await tensorNames(folder, 'ip-adapter-full-face_sd1.bin');
  expect(names).toContain('image_proj.proj.3.weight');
  expect(names).toContain('ip_adapter.1.to_v_ip.weight');
  expect(await tensorNames(folder, 'generate.py')).toEqual([]);
});
