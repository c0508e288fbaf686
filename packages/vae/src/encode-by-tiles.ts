// Encoding a picture tile by tile, with the result of encoding it whole: the tiles share the statistics of their norms.
import { NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model } from '@emulsion/onnx';
import type { Cancellable, Dialect } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import { encoderEnd, encoderStage } from './autoencoder-kl.ts';
import { BandedPicture } from './banded-picture.ts';
import { assertTileSize, type TiledDecoder, type TilingOptions } from './decode-by-tiles.ts';
import { encoderTile } from './encoder-tile.ts';
import { runTiles, withSession } from './run-tiles.ts';
import { halvingSpans } from './tiles.ts';
import type { VaeConfig } from './vae-config.ts';

/**
 * Encodes `image` `[batch, inChannels, height, width]` by tiles, as `decodeByTiles` decodes: all resolutions but the last
 * one tile by tile, which and what follows it (its attention sees all of the picture) runs whole.
 * @returns the moments, `[batch, 2·latentChannels, height/scale, width/scale]`
 * @throws {InvalidArgumentError} if `tileSize` is no integer of at least 16, and the errors of `Device`
 */
export async function encodeByTiles(
  encoder: TiledDecoder,
  image: Tensor,
  options: TilingOptions = {},
): Promise<Tensor> {
  const { tileSize = 128 } = options;
  assertTileSize(tileSize);
  const { ops } = encoder.device;
  const moments: Tensor[] = [];
  for (let sample = 0; sample < image.dims[0]!; sample++) {
    const picture = ops.slice(image, sample, sample + 1);
    let x = new BandedPicture(picture.dims[1]!, picture.dims[3]!);
    x.add(picture);
    for (let i = 0; i < encoder.config.blockOutChannels.length - 1; i++)
      x = await runStage(encoder, x, i, tileSize, options);
    moments.push(await runEnd(encoder, x.toTensor(), options));
  }
  return moments.length === 1 ? moments[0]! : ops.concat(moments);
}

/** A stage of the encoder: a picture to one with half its height and width. Its memory is given up on the way. */
async function runStage(
  { device, config, weights }: TiledDecoder,
  x: BandedPicture,
  i: number,
  tileSize: number,
  options: Cancellable,
): Promise<BandedPicture> {
  const { groups, layersPerBlock, blockOutChannels } = config;
  // Two convolutions in each block, one that halves, and in the first stage one before them.
  const margin = 2 * layersPerBlock + (i === 0 ? 2 : 1);
  const graph = encoderTile(`vae encoder, stage ${i}`, config, weights, device.dialect, i);
  const [rows, columns] = [halvingSpans(x.height, tileSize, margin), halvingSpans(x.width, tileSize, margin)];
  const result = new BandedPicture(blockOutChannels[i]!, x.width / 2);
  await runTiles(device, { ...graph, groups, rows, columns }, x, result, options);
  return result;
}

async function runEnd(
  { device, config, weights }: TiledDecoder,
  features: Tensor,
  options: Cancellable,
): Promise<Tensor> {
  const { model } = encoderRest(config, weights, device.dialect);
  const { moments } = await withSession(device, model, options, (session) =>
    session.run({ features }, options),
  );
  return moments!;
}

/** What runs whole: the last stage and the end, from `features` `[1, channels, height, width]` to `moments`. */
export function encoderRest(
  config: VaeConfig,
  weights: WeightScope,
  dialect: Dialect,
): { model: Model; channels: number } {
  const last = config.blockOutChannels.length - 1;
  const channels = config.blockOutChannels[last - 1] ?? config.inChannels;
  const n = new NetworkBuilder('vae encoder, end', dialect);
  const x = n.input('features', 'float32', [1, channels, 'height', 'width']);
  n.output('moments', encoderEnd(n, encoderStage(n, x, weights, config, last), weights, config));
  return { model: n.build(), channels };
}
