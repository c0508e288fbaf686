// What encoding and decoding by tiles takes of memory: the largest of the graphs that run one after the other, and the activations
// between two resolutions, which wait outside of the device.
import { NetworkBuilder } from '@emulsion/nn';
import { type Model, weightMemory } from '@emulsion/onnx';
import { runMemory } from '@emulsion/runtime';
import { decoderStart, latentsInput } from './autoencoder-kl.ts';
import type { TiledDecoder } from './decode-by-tiles.ts';
import { decoderTile } from './decoder-tile.ts';
import { encoderRest } from './encode-by-tiles.ts';
import { encoderTile } from './encoder-tile.ts';
import type { TileGraph } from './tile-builder.ts';
import type { VaeConfig } from './vae-config.ts';

/** Bytes that one half of an autoencoder takes for pictures of one size. */
export interface VaeMemory {
  /** Of the weights, in the files that they are read from and in memory. */
  readonly stored: number;
  readonly weights: number;
  /** Of what a run needs beside them, one picture at a time; `undefined` of graphs that it does not follow from. */
  readonly activations: number | undefined;
}

/** One of the graphs that run one after the other. */
interface Part {
  readonly model: Model;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Bytes that wait outside of the device meanwhile. */
  readonly waiting: number;
}

/**
 * An estimate of what `decodeByTiles` takes.
 * @param latents `[batch, latentChannels, height, width]`
 */
export function tiledDecodeMemory(
  { config, weights, device: { dialect } }: TiledDecoder,
  [, latentChannels = 0, height = 0, width = 0]: readonly number[],
  tileSize = 128,
): VaeMemory {
  const { blockOutChannels, layersPerBlock, outChannels, scale } = config;
  const n = new NetworkBuilder('vae decoder, start', dialect);
  n.output('y', decoderStart(n, latentsInput(n, config), weights, config));
  const shapes = { latents: [1, latentChannels, height, width] };
  const picture = 4 * outChannels * height * width * scale ** 2;
  const parts: Part[] = [{ model: n.build(), shapes, waiting: 0 }];
  for (let i = 1; i < blockOutChannels.length; i++) {
    const graph = decoderTile(`vae decoder, stage ${i}`, config, weights, dialect, i);
    const channels = blockOutChannels.at(-i)!;
    const [rows, columns] = [height, width].map((length) => length * 2 ** (i - 1)) as [number, number]; // two of two
    const side = Math.ceil(tileSize / 2) + 2 * (layersPerBlock + 2);
    const tile = [1, channels, Math.min(side, rows), Math.min(side, columns)];
    const waiting = Math.max(4 * channels * rows * columns, picture);
    parts.push({ model: graph.model, shapes: tileShapes(graph, config, tile), waiting });
  }
  return largest(parts);
}

/**
 * An estimate of what `encodeByTiles` takes.
 * @param image `[batch, inChannels, height, width]`
 */
export function tiledEncodeMemory(
  { config, weights, device: { dialect } }: TiledDecoder,
  [, inChannels = 0, height = 0, width = 0]: readonly number[],
  tileSize = 128,
): VaeMemory {
  const { blockOutChannels, layersPerBlock, scale } = config;
  const parts: Part[] = [];
  for (const [i, outChannels] of blockOutChannels.slice(0, -1).entries()) {
    const graph = encoderTile(`vae encoder, stage ${i}`, config, weights, dialect, i);
    const channels = i === 0 ? inChannels : blockOutChannels[i - 1]!;
    const [rows, columns] = [height, width].map((length) => length / 2 ** i) as [number, number]; // two of two
    const side = 2 * (Math.ceil(tileSize / 2) + 2 * (layersPerBlock + 1));
    const tile = [1, channels, Math.min(side, rows), Math.min(side, columns)];
    const waiting = 4 * rows * columns * Math.max(channels, outChannels / 4);
    parts.push({ model: graph.model, shapes: tileShapes(graph, config, tile), waiting });
  }
  const { model, channels } = encoderRest(config, weights, dialect);
  parts.push({ model, shapes: { features: [1, channels, height / scale, width / scale] }, waiting: 0 });
  return largest(parts);
}

function tileShapes({ model, epsilons }: TileGraph, { groups }: VaeConfig, tile: readonly number[]) {
  const statistics = epsilons.flatMap((_, k) => [`mean_${k}`, `inverse_deviation_${k}`]);
  const corners = model.graph.inputs.filter(({ name }) => /^(inner|given)_/.test(name));
  return {
    x: tile,
    ...Object.fromEntries(corners.map(({ name }) => [name, [2]])),
    ...Object.fromEntries(statistics.map((name) => [name, [1, groups, 1]])),
  };
}

function largest(parts: readonly Part[]): VaeMemory {
  const each = parts.map(({ model, shapes, waiting }) => ({
    ...weightMemory(model),
    activations: (runMemory(model, shapes) ?? 0) + waiting,
  }));
  return {
    stored: each.reduce((sum, { stored }) => sum + stored, 0),
    weights: Math.max(...each.map(({ loaded }) => loaded)),
    activations: Math.max(...each.map(({ activations }) => activations)),
  };
}
