// Decoding a picture tile by tile, with the result of decoding it whole: the tiles share the statistics of their norms.
import { NetworkBuilder, type WeightScope } from '@emulsion/nn';
import { type Model, onlyOutputs } from '@emulsion/onnx';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { type AnyTensor, InvalidArgumentError, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { decoderStart, latentsInput } from './autoencoder-kl.ts';
import { decoderTile } from './decoder-tile.ts';
import { cut, GroupStatistics, paste, type Tile, tilesOf } from './tiles.ts';
import type { VaeConfig } from './vae-config.ts';

export interface TilingOptions extends Cancellable {
  /** About how many pixels a side of a tile has, of each resolution; 192 unless said otherwise. */
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
  const { tileSize = 192 } = options;
  if (!Number.isInteger(tileSize) || tileSize < 16)
    throw new InvalidArgumentError(
      `vae: tileSize is ${tileSize}. Give an integer of at least 16, in pixels.`,
    );
  const { ops } = decoder.device;
  const pictures: Tensor[] = [];
  for (let sample = 0; sample < latents.dims[0]!; sample++) {
    let x = await runStart(decoder, ops.slice(latents, sample, sample + 1), options);
    for (let i = 1; i < decoder.config.blockOutChannels.length; i++)
      x = await runStage(decoder, x, i, tileSize, options);
    pictures.push(x);
  }
  return pictures.length === 1 ? pictures[0]! : ops.concat(pictures);
}

/** Runs `use` with a session of a model, which is freed after. */
async function withSession<Result>(
  device: Device,
  model: Model,
  options: Cancellable,
  use: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await device.createSession(model, options);
  try {
    return await use(session);
  } finally {
    await session.dispose();
  }
}

async function runStart(
  { device, config, weights }: TiledDecoder,
  latents: Tensor,
  options: Cancellable,
): Promise<Tensor> {
  const n = new NetworkBuilder('vae decoder, start', device.dialect);
  n.output('y', decoderStart(n, latentsInput(n, config), weights, config));
  const { y } = await withSession(device, n.build(), options, (session) => session.run({ latents }, options));
  return y!;
}

/** A stage of the decoder: `[1, …, height, width]` to `[1, …, 2·height, 2·width]`. */
async function runStage(
  { device, config, weights }: TiledDecoder,
  x: Tensor,
  i: number,
  tileSize: number,
  options: Cancellable,
): Promise<Tensor> {
  const { groups, layersPerBlock, blockOutChannels, outChannels } = config;
  const [, channels = 0, height = 0, width = 0] = x.dims;
  // Two convolutions in each block, one before and one after them, all at twice the size of `x`.
  const margin = layersPerBlock + 2;
  const of = (size: number) => tilesOf(size, Math.ceil(tileSize / 2), margin);
  const tiles = of(height).flatMap((row) => of(width).map((column) => new TileOf(row, column)));
  const window = zeros([1, channels, tiles[0]!.height, tiles[0]!.width]);

  const { model, epsilons } = decoderTile(`vae decoder, stage ${i}`, config, weights, device.dialect, i);
  const statistics: Record<string, Tensor> = {};
  const run = (outputs: readonly string[], take: (tile: TileOf, given: Record<string, Tensor>) => void) => {
    const part = onlyOutputs(model, outputs);
    return withSession(device, part, options, async (session) => {
      for (const tile of tiles) {
        cut(x, tile.row.outer, tile.column.outer, window.data);
        const all: Readonly<Record<string, AnyTensor>> = { ...statistics, ...tile.insideOf(window) };
        const feeds = part.graph.inputs.map(({ name }) => [name, all[name]!] as const);
        take(tile, await session.run(Object.fromEntries(feeds), options));
      }
    });
  };

  for (const [k, epsilon] of epsilons.entries()) {
    const whole = new GroupStatistics(groups);
    await run([`tile_mean_${k}`, `tile_variance_${k}`], (tile, given) =>
      whole.add(given[`tile_mean_${k}`]!.data, given[`tile_variance_${k}`]!.data, tile.area),
    );
    statistics[`mean_${k}`] = tensor(whole.means, [1, groups, 1]);
    statistics[`inverse_deviation_${k}`] = tensor(whole.inverseDeviations(epsilon), [1, groups, 1]);
  }
  const isLast = i === blockOutChannels.length - 1;
  const given = isLast ? outChannels : blockOutChannels.at(-1 - i)!;
  const result = zeros([1, given, 2 * height, 2 * width]);
  await run(['y'], ({ row, column }, { y }) =>
    paste(result, y!, 2 * row.inner.start, 2 * column.inner.start),
  );
  return result;
}

/** One tile of a picture. */
class TileOf {
  readonly row: Tile;
  readonly column: Tile;

  constructor(row: Tile, column: Tile) {
    this.row = row;
    this.column = column;
  }

  /** With the margin. */
  get height(): number {
    return this.row.outer.end - this.row.outer.start;
  }

  get width(): number {
    return this.column.outer.end - this.column.outer.start;
  }

  /** Pixels without the margin. */
  get area(): number {
    const { row, column } = this;
    return (row.inner.end - row.inner.start) * (column.inner.end - column.inner.start);
  }

  /** What a graph is fed: the tile, and where in it, twice as large, its inner part lies. */
  insideOf(window: Tensor): Readonly<Record<string, AnyTensor>> {
    const { row, column } = this;
    const inner = (edge: 'start' | 'end') =>
      tensor(
        Int32Array.of(2 * (row.inner[edge] - row.outer.start), 2 * (column.inner[edge] - column.outer.start)),
        [2],
      );
    return { x: window, inner_start: inner('start'), inner_end: inner('end') };
  }
}
