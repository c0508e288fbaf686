import type { Device } from '@emulsion/runtime';
import { cpuOps, type Tensor, tensor, zeros } from '@emulsion/tensor';
import type { DecodeOptions, Vae } from '@emulsion/vae';
import { expect, test } from 'vitest';
import { decodeLatents } from './decode-latents.ts';

/** An autoencoder that gives one picture whatever comes, and notes how it was asked. */
function decoder(picture: Tensor) {
  const asked: DecodeOptions[] = [];
  const vae: Partial<Vae> = {
    fromLatents: (latents) => latents,
    async decode(_, options = {}) {
      asked.push(options);
      return picture;
    },
  };
  // What decoding asks of them.
  return { asked, parts: { vae: vae as Vae, device: { ops: cpuOps } as Device } };
}

test('a picture that is no number is an error that names the autoencoder, not a black picture', async () => {
  const { parts } = decoder(tensor([0, Number.NaN, Number.POSITIVE_INFINITY], [1, 3, 1, 1]));
  await expect(decodeLatents(parts, zeros([1, 4, 1, 1]), {})).rejects.toThrow(
    'vae: the picture has 2 of 3 elements that are not finite numbers. All devices compute in float32, so the weights of the autoencoder are damaged, or overflowed when they were saved in float16: take its float32 ones.',
  );
});

test('latents that are no numbers are not laid to the autoencoder', async () => {
  const { parts, asked } = decoder(zeros([1, 3, 1, 1]));
  await expect(decodeLatents(parts, tensor([Number.NaN, 0, 0, 0], [1, 4, 1, 1]), {})).rejects.toThrow(
    'latents: to be decoded came 1 of 4 elements that are not finite numbers. The network or the sampler gave them; the autoencoder is fine.',
  );
  expect(asked).toEqual([]);
});

test('without a memory to keep to, pictures are decoded whole unless tiles are asked', async () => {
  const { parts, asked } = decoder(zeros([1, 3, 1, 1]));
  for (const vaeTiling of [undefined, 'auto', true, { tileSize: 64 }, false] as const)
    await decodeLatents(parts, zeros([1, 4, 1, 1]), { vaeTiling });
  expect(asked.map(({ tiling }) => tiling)).toEqual([false, false, true, { tileSize: 64 }, false]);
});
