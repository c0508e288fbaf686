// Decoding a picture tile by tile, with the result of decoding it whole: the tiles share the statistics of their norms.
import { NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Cancellable, Device } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { decoderStart, latentsInput } from './autoencoder-kl.ts';
import { BandedPicture } from './banded-picture.ts';
import { decoderTile } from './decoder-tile.ts';
import { runTiles, withSession } from './run-tiles.ts';
import { enlargingSpans } from './tiles.ts';
import type { VaeConfig } from './vae-config.ts';

export interface TilingOptions extends Cancellable {
  /** About how many pixels a side of a tile has, of each resolution; 128 unless said otherwise. */
  readonly tileSize?: number | undefined;
}

/** What a decoder of tiles is made of. */
export interface TiledDecoder {
  readonly device: Device;
  readonly config: VaeConfig;
  readonly weights: WeightScope;
}

/**
 * Decodes `latents` `[batch, latentChannels, height, width]` by tiles.
 *
 * What works at the size of the latents (its attention sees all of the picture) runs whole. Each further resolution runs
 * tile by tile, with margins as wide as its convolutions reach. A group norm needs mean and variance of the whole
 * picture: so for one norm after the other all tiles run up to it, and their statistics are put together. Only what lies
 * between two resolutions is kept; what lies between two norms is computed again, which costs about twice the time.
 * @throws {InvalidArgumentError} if `tileSize` is no integer of at least 16, and the errors of `Device`
 */
export async function decodeByTiles(
  decoder: TiledDecoder,
  latents: Tensor,
  options: TilingOptions = {},
): Promise<Tensor> {
  const { tileSize = 128 } = options;
  assertTileSize(tileSize);
  const { ops } = decoder.device;
  const pictures: Tensor[] = [];
  for (let sample = 0; sample < latents.dims[0]!; sample++) {
    let x = await runStart(decoder, ops.slice(latents, sample, sample + 1), options);
    for (let i = 1; i < decoder.config.blockOutChannels.length; i++)
      x = await runStage(decoder, x, i, tileSize, options);
    pictures.push(x.toTensor());
  }
  return pictures.length === 1 ? pictures[0]! : ops.concat(pictures);
}

/** @throws {InvalidArgumentError} */
export function assertTileSize(tileSize: number): void {
  if (Number.isInteger(tileSize) && tileSize >= 16) return;
  throw new InvalidArgumentError(`vae: tileSize is ${tileSize}. Give an integer of at least 16, in pixels.`);
}

async function runStart(
  { device, config, weights }: TiledDecoder,
  latents: Tensor,
  options: Cancellable,
): Promise<BandedPicture> {
  const n = new NetworkBuilder('vae decoder, start', device.dialect);
  n.output('y', decoderStart(n, latentsInput(n, config), weights, config));
  const { y } = await withSession(device, n.build(), options, (session) => session.run({ latents }, options));
  const [, channels = 0, , width = 0] = y!.dims;
  const picture = new BandedPicture(channels, width);
  picture.add(y!);
  return picture;
}

/** A stage of the decoder: a picture to one with twice its height and width. Its memory is given up on the way. */
async function runStage(
  { device, config, weights }: TiledDecoder,
  x: BandedPicture,
  i: number,
  tileSize: number,
  options: Cancellable,
): Promise<BandedPicture> {
  const { groups, layersPerBlock, blockOutChannels, outChannels } = config;
  // Two convolutions in each block, one before and one after them, all at twice the size of `x`.
  const margin = layersPerBlock + 2;
  const graph = decoderTile(`vae decoder, stage ${i}`, config, weights, device.dialect, i);
  const [rows, columns] = [
    enlargingSpans(x.height, tileSize, margin),
    enlargingSpans(x.width, tileSize, margin),
  ];
  const isLast = i === blockOutChannels.length - 1;
  const result = new BandedPicture(isLast ? outChannels : blockOutChannels.at(-1 - i)!, 2 * x.width);
  await runTiles(device, { ...graph, groups, rows, columns }, x, result, options);
  return result;
}
