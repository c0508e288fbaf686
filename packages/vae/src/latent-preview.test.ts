import { tensor, zeros } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { latentFamilies, latentProjectionOf, latentProjections, projectLatents } from './latent-preview.ts';

test('each family has a row of colours for each of its channels', () => {
  expect(latentFamilies.map((family) => latentProjections[family].factors.length)).toEqual([4, 4, 16, 16]);
});

test('an autoencoder is told by channels and scaling factor, and an unknown one has no projection', () => {
  expect(latentProjectionOf({ latentChannels: 4, scalingFactor: 0.18215 })).toBe(latentProjections.sd1);
  expect(latentProjectionOf({ latentChannels: 16, scalingFactor: 0.3611 })).toBe(latentProjections.flux);
  expect(latentProjectionOf({ latentChannels: 4, scalingFactor: 1 })).toBeUndefined();
});

test('colours are the sum of the channels, limited to what can be shown', () => {
  const projection = {
    factors: [
      [1, 0, 0.5],
      [0, -4, 0.5],
    ],
    bias: [0, 0, 0.5],
  } as const;
  const latents = tensor([0.5, -1, 0.25, 1], [1, 2, 1, 2]);
  const { dims, data } = projectLatents(latents, projection);
  expect(dims).toEqual([1, 3, 1, 2]);
  // red (0.5, -1), green (-1, -4), blue (0.875, 0.5), from [-1, 1] to [0, 1]
  expect([...data]).toEqual([0.75, 0, 0, 0, 0.9375, 0.75]);
});

test('each sample of a batch has its own picture', () => {
  const { sd1 } = latentProjections;
  const data = Float32Array.from({ length: 2 * 4 * 6 }, (_, i) => Math.sin(i));
  const both = projectLatents(tensor(data, [2, 4, 2, 3]), sd1);
  const second = projectLatents(tensor(data.slice(24), [1, 4, 2, 3]), sd1);
  expect(both.data.slice(18)).toEqual(second.data);
});

test('latents with other channels are refused', () => {
  expect(() => projectLatents(zeros([1, 16, 8, 8]), latentProjections.sdxl)).toThrow(
    'preview: the latents are [1, 16, 8, 8], this projection takes [batch, 4, height, width]. Take the one of latentProjectionOf(vae.config).',
  );
});
