import {
  type Folder,
  memoryFolder,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadIpAdapter } from './load-ip-adapter.ts';

let device: Device;
let recorded: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  recorded = await openFixture('image-adapters');
});
afterAll(() => device.dispose());

async function expected(name: string): Promise<Tensor> {
  const weights = await openSafetensors(recorded, 'expected.safetensors');
  return readTensor(recorded, weights.get(name)!);
}

function expectClose(actual: Tensor, wanted: Tensor): void {
  expect(actual.dims).toEqual(wanted.dims);
  const worst = actual.data.reduce((max, value, i) => Math.max(max, Math.abs(value - wanted.data[i]!)), 0);
  expect(worst).toBeLessThan(1e-4);
}

test.each([
  ['a linear projection', 'ip-adapter_sd1.safetensors', 'encoder.wide.image_embeds', 'tokens.plain.wide'],
  ['a resampler', 'ip-adapter-plus_sd1.safetensors', 'encoder.wide.hidden_state', 'tokens.plus.wide'],
  [
    'a projection of each patch, pickled,',
    'ip-adapter-full-face_sd1.bin',
    'encoder.wide.hidden_state',
    'tokens.full.wide',
  ],
  [
    'a linear projection for XL',
    'ip-adapter_sdxl.safetensors',
    'encoder.wide.image_embeds',
    'tokens.xl.wide',
  ],
])('%s gives the recorded tokens', async (_, file, embeds, tokens) => {
  const adapter = await loadIpAdapter(recorded, file, { device });
  expect(adapter.unusedWeights).toEqual([]);
  expect([...adapter.attention.keys()]).toContain('1.to_k_ip.weight');
  expectClose(await adapter.project(await expected(embeds)), await expected(tokens));
  await adapter.dispose();
});

test('several pictures are projected at once, each by itself', async () => {
  const adapter = await loadIpAdapter(recorded, 'ip-adapter-plus_sd1.safetensors', { device });
  const one = await expected('encoder.wide.hidden_state');
  const other = await expected('encoder.high.hidden_state');
  const both = await adapter.project(device.ops.concat([other, one]));
  expectClose(device.ops.slice(both, 1, 2), await expected('tokens.plus.wide'));
  await adapter.dispose();
});

test('embeddings of another encoder are refused', async () => {
  const adapter = await loadIpAdapter(recorded, 'ip-adapter_sd1.safetensors', { device });
  await expect(adapter.project(zeros([1, 12]))).rejects.toThrow(
    'ip-adapter: the embeddings are [1, 12], this adapter takes [any, 8]. Use the image encoder that it was trained with.',
  );
  await adapter.dispose();
});

const open = (file: string, tensors: Record<string, Tensor>) =>
  loadIpAdapter(memoryFolder({ [file]: writeSafetensors(tensors) }), file, { device });

test('a file that is not one of an IP-Adapter is refused with what it is', async () => {
  await expect(open('lora.safetensors', { 'lora_unet_mid.lora_up.weight': zeros([2, 2]) })).rejects.toThrow(
    'it is not the file of an IP-Adapter: none of its 1 weights (the first is "lora_unet_mid.lora_up.weight") begins with "image_proj."',
  );
  await expect(open('half.safetensors', { 'image_proj.proj.weight': zeros([2, 2]) })).rejects.toThrow(
    'begins with "ip_adapter."',
  );
});

test('an adapter that reads faces says so', async () => {
  const face = {
    'image_proj.norm.weight': zeros([4]),
    'image_proj.proj.0.weight': zeros([8, 4]),
    'image_proj.proj.2.weight': zeros([16, 8]),
    'ip_adapter.1.to_k_ip.weight': zeros([4, 4]),
  };
  await expect(open('faceid.safetensors', face)).rejects.toThrow(
    'it is a FaceID adapter, which reads what a recognizer of faces makes of a picture',
  );
});

test('a projection that is not whole is refused with what is missing', async () => {
  const tensors = {
    'image_proj.latents': zeros([1, 3, 16]),
    'image_proj.proj_in.weight': zeros([16, 16]),
    'ip_adapter.1.to_k_ip.weight': zeros([4, 4]),
  };
  await expect(open('plus.safetensors', tensors)).rejects.toThrow(
    'ip-adapter: the file has no weight "image_proj.proj_out.weight". It is not whole, or of a kind that is not supported: ip-adapter, ip-adapter-plus and ip-adapter-full-face are.',
  );
});
