// What decoding by tiles takes of memory: the largest of the graphs that run one after the other, and the activations
// between two resolutions, which wait outside of the device.
import { NetworkBuilder } from '@emulsion/nn';
import { type Model, weightMemory } from '@emulsion/onnx';
import { runMemory } from '@emulsion/runtime';
import { decoderStart, latentsInput } from './autoencoder-kl.ts';
import type { TiledDecoder } from './decode-by-tiles.ts';
import { decoderTile } from './decoder-tile.ts';

/** Bytes that one half of an autoencoder takes for pictures of one size. */
export interface VaeMemory {
  /** Of the weights, in the files that they are read from and in memory. */
  readonly stored: number;
  readonly weights: number;
  /** Of what a run needs beside them, one picture at a time; `undefined` of graphs that it does not follow from. */
  readonly activations: number | undefined;
}

/**
 * An estimate of what `decodeByTiles` takes.
 * @param latents `[batch, latentChannels, height, width]`
 */
export function tiledMemory(
  { config, weights, device: { dialect } }: TiledDecoder,
  [, latentChannels = 0, height = 0, width = 0]: readonly number[],
  tileSize = 128,
): VaeMemory {
  const { blockOutChannels, layersPerBlock, groups, outChannels, scale } = config;
  const n = new NetworkBuilder('vae decoder, start', dialect);
  n.output('y', decoderStart(n, latentsInput(n, config), weights, config));
  const parts: { model: Model; shapes: Record<string, readonly number[]>; waiting: number }[] = [
    { model: n.build(), shapes: { latents: [1, latentChannels, height, width] }, waiting: 0 },
  ];
  for (let i = 1; i < blockOutChannels.length; i++) {
    const { model, epsilons } = decoderTile(`vae decoder, stage ${i}`, config, weights, dialect, i);
    const channels = blockOutChannels.at(-i)!;
    const size = 2 ** (i - 1);
    const [rows, columns] = [height * size, width * size];
    const side = (length: number) => Math.min(Math.ceil(tileSize / 2) + 2 * (layersPerBlock + 2), length);
    const statistics = epsilons.flatMap((_, k) => [`mean_${k}`, `inverse_deviation_${k}`]);
    parts.push({
      model,
      shapes: {
        x: [1, channels, side(rows), side(columns)],
        inner_start: [2],
        inner_end: [2],
        ...Object.fromEntries(statistics.map((name) => [name, [1, groups, 1]])),
      },
      waiting: 4 * channels * rows * columns,
    });
  }
  const picture = 4 * outChannels * height * width * scale ** 2;
  const each = parts.map(({ model, shapes, waiting }) => {
    const { stored, loaded } = weightMemory(model);
    return {
      stored,
      loaded,
      activations: (runMemory(model, shapes) ?? 0) + Math.max(waiting, picture),
    };
  });
  return {
    stored: each.reduce((sum, { stored }) => sum + stored, 0),
    weights: Math.max(...each.map(({ loaded }) => loaded)),
    activations: Math.max(...each.map(({ activations }) => activations)),
  };
}
