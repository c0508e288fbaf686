import { type Folder, memoryFolder, readJson } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { createRng, type Tensor, zeros } from '@emulsion/tensor';
import { createTestDevice, openFixture, rewriteHeader } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadVae } from './load-vae.ts';
import { parseVaeConfig } from './vae-config.ts';

let device: Device;
let stored: Folder;
let config: Record<string, unknown>;
let weights: Uint8Array;
beforeAll(async () => {
  device = await createTestDevice();
  stored = await openFixture('golden/open/models/sd1/vae');
  config = (await readJson(stored, 'config.json')) as typeof config; // an object, as in every model
  weights = await stored.read('diffusion_pytorch_model.safetensors');
});
afterAll(() => device.dispose());

const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

test('scaling latents and scaling them back is the identity, shift included', async () => {
  const shifted = JSON.stringify({ ...config, scaling_factor: 0.5, shift_factor: 0.25 });
  const vae = await loadVae(
    memoryFolder({ 'config.json': shifted, 'diffusion_pytorch_model.safetensors': weights }),
    { device },
  );
  const z = createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 4, 2, 2]);
  expect(vae.toLatents(z).data[0]).toBeCloseTo((z.data[0]! - 0.25) * 0.5, 6);
  expect(worst(vae.fromLatents(vae.toLatents(z)), z)).toBeLessThan(1e-6);
  await vae.dispose();
});

test('a checkpoint of 2022 with its old names decodes to the same picture', async () => {
  const renamed = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };
  const old = rewriteHeader(weights, (header) => {
    for (const [today, then] of Object.entries(renamed))
      header = header.replaceAll(`attentions.0.${today}.`, `attentions.0.${then}.`);
    expect(header).toContain('proj_attn');
    return header;
  });
  const z = createRng({ kind: 'torch-cpu', seed: 1 }).normal([1, 4, 4, 4]);
  const pictures = [];
  for (const folder of [
    stored,
    memoryFolder({ 'config.json': JSON.stringify(config), 'diffusion_pytorch_model.safetensors': old }),
  ]) {
    const vae = await loadVae(folder, { device });
    pictures.push(await vae.decode(z));
    await vae.dispose();
  }
  expect(pictures[1]).toEqual(pictures[0]);
  expect(pictures[0]!.dims).toEqual([1, 3, 32, 32]);
});

/** The stored weights with one of them multiplied, in float32. */
function scaled(file: Uint8Array, name: string, factor: number): Uint8Array {
  const copy = file.slice();
  const length = Number(new DataView(copy.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(8, 8 + length))) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const [start, end] = header[name]!.data_offsets.map((offset) => 8 + length + offset) as [number, number];
  const values = new DataView(copy.buffer);
  for (let at = start; at < end; at += 4) values.setFloat32(at, values.getFloat32(at, true) * factor, true);
  return copy;
}

test('activations above all numbers of float16 overflow nowhere: every device computes in float32', async () => {
  const z = createRng({ kind: 'torch-cpu', seed: 3 }).normal([1, 4, 4, 4]);
  // The first convolution gives about as much as its weights: some millions, where float16 ends at 65504.
  const huge = scaled(weights, 'decoder.conv_in.weight', 1e8);
  const decoded = [];
  for (const file of [weights, huge]) {
    const folder = memoryFolder({
      'config.json': JSON.stringify(config),
      'diffusion_pytorch_model.safetensors': file,
    });
    const vae = await loadVae(folder, { device });
    decoded.push(await vae.decode(z), await vae.decode(z, { tiling: true }));
    await vae.dispose();
  }
  const [plain, , whole, tiled] = decoded;
  expect(whole!.data.every(Number.isFinite)).toBe(true);
  expect(worst(whole!, tiled!)).toBeLessThan(2 / 255 / 10);
  expect(worst(whole!, plain!)).toBeGreaterThan(0.01);
});

test('pictures and latents that it cannot take are refused with what it takes', async () => {
  const vae = await loadVae(stored, { device });
  await expect(vae.encode(zeros([1, 3, 60, 64]))).rejects.toThrow(
    'vae: the picture is [1, 3, 60, 64], this model takes [batch, 3, height, width] with height and width multiples of 8. Resize or crop it.',
  );
  await expect(vae.decode(zeros([1, 16, 8, 8]))).rejects.toThrow(
    'vae: the latents are [1, 16, 8, 8], this model takes [batch, 4, height, width]. Use the U-Net that belongs to it.',
  );
  await vae.dispose();
});

test('what is not supported is refused by name', () => {
  const parse = (changes: Record<string, unknown>) => () => parseVaeConfig('vae', { ...config, ...changes });
  expect(parse({ down_block_types: ['DownEncoderBlock2D', 'AttnDownEncoderBlock2D'] })).toThrow(
    'DownEncoderBlock2D is supported.',
  );
  expect(parse({ up_block_types: ['UpDecoderBlock2D'] })).toThrow(
    'it has not as many blocks as "block_out_channels".',
  );
  expect(parse({ latents_mean: [0, 0, 0, 0] })).toThrow(
    '"latents_mean" in its config.json is [0,0,0,0]; null is supported.',
  );
});

test('a tiny autoencoder is told by its class, and gives latents without variance', async () => {
  const tiny = await openFixture('golden/open/models/taesd');
  const vae = await loadVae(tiny, { device });
  const { mean, logvar } = await vae.encode(createRng({ kind: 'torch-cpu', seed: 2 }).normal([2, 3, 16, 32]));
  expect(mean.dims).toEqual([2, 4, 2, 4]);
  expect(new Set(logvar.data)).toEqual(new Set([Number.NEGATIVE_INFINITY]));
  expect((await vae.decode(mean)).dims).toEqual([2, 3, 16, 32]);
  expect(worst(vae.fromLatents(mean), mean)).toBe(0);
  await vae.dispose();
});

test('autoencoders of another class and shape are refused by name', async () => {
  const of = async (path: string, changes: Record<string, unknown>) => {
    const folder = await openFixture(path);
    const json = { ...((await readJson(folder, 'config.json')) as object), ...changes }; // an object, as in every model
    return loadVae(memoryFolder({ 'config.json': JSON.stringify(json) }), { device });
  };
  await expect(of('golden/open/models/sd1/vae', { _class_name: 'VQModel' })).rejects.toThrow(
    'vae: "_class_name" in its config.json is "VQModel"; AutoencoderKL, AutoencoderTiny are supported.',
  );
  await expect(of('golden/open/models/taesd', { decoder_block_out_channels: [8, 8, 8, 4] })).rejects.toThrow(
    'as many blocks in encoder and decoder, all of one width, are supported.',
  );
});
