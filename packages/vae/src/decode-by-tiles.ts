// Decoding a picture tile by tile, with the result of decoding it whole: the tiles share the statistics of their norms.
import { NetworkBuilder, type WeightScope } from '@emulsion/nn';
import { type Model, onlyOutputs } from '@emulsion/onnx';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { type AnyTensor, InvalidArgumentError, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { decoderStart, latentsInput } from './autoencoder-kl.ts';
import { BandedPicture, paste } from './banded-picture.ts';
import { decoderTile } from './decoder-tile.ts';
import { GroupStatistics, type Stretch, type Tile, tilesOf } from './tiles.ts';
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
    pictures.push(x.toTensor());
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
  const { channels, height, width } = x;
  // Two convolutions in each block, one before and one after them, all at twice the size of `x`.
  const margin = layersPerBlock + 2;
  const [rows, columns] = [height, width].map((size) => tilesOf(size, Math.ceil(tileSize / 2), margin)) as [
    Tile[],
    Tile[],
  ]; // two of two
  const window = zeros([1, channels, lengthOf(rows[0]!.outer), lengthOf(columns[0]!.outer)]);
  const { model, epsilons } = decoderTile(`vae decoder, stage ${i}`, config, weights, device.dialect, i);
  const statistics: Record<string, Tensor> = {};

  /** Runs the part of the graph for `outputs` on a row of tiles after the other. */
  const run = (outputs: readonly string[], take: (row: Tile, given: readonly Given[]) => void) => {
    const part = onlyOutputs(model, outputs);
    return withSession(device, part, options, async (session) => {
      for (const row of rows) {
        const given: Given[] = [];
        for (const column of columns) {
          x.cut(row.outer, column.outer, window.data);
          const all: Readonly<Record<string, AnyTensor>> = {
            ...statistics,
            x: window,
            ...inside(row, column),
          };
          const feeds = part.graph.inputs.map(({ name }) => [name, all[name]!] as const);
          given.push({ column, outputs: await session.run(Object.fromEntries(feeds), options) });
        }
        take(row, given);
      }
    });
  };

  for (const [k, epsilon] of epsilons.entries()) {
    const whole = new GroupStatistics(groups);
    const [mean, variance] = [`tile_mean_${k}`, `tile_variance_${k}`];
    await run([mean, variance], (row, given) => {
      for (const { column, outputs } of given)
        whole.add(outputs[mean]!.data, outputs[variance]!.data, lengthOf(row.inner) * lengthOf(column.inner));
    });
    statistics[`mean_${k}`] = tensor(whole.means, [1, groups, 1]);
    statistics[`inverse_deviation_${k}`] = tensor(whole.inverseDeviations(epsilon), [1, groups, 1]);
  }
  const isLast = i === blockOutChannels.length - 1;
  const result = new BandedPicture(isLast ? outChannels : blockOutChannels.at(-1 - i)!, 2 * width);
  await run(['y'], (row, given) => {
    const band = result.grow(2 * lengthOf(row.inner));
    for (const { column, outputs } of given) paste(band, outputs.y!, 2 * column.inner.start);
    x.release(rows[rows.indexOf(row) + 1]?.outer.start ?? height);
  });
  return result;
}

/** What the graph gave for one tile of a row. */
interface Given {
  readonly column: Tile;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

const lengthOf = ({ start, end }: Stretch) => end - start;

/** Where in an enlarged tile the part inside of its margin lies. */
function inside(row: Tile, column: Tile): Readonly<Record<string, AnyTensor>> {
  const inner = (edge: 'start' | 'end') =>
    tensor(
      Int32Array.of(2 * (row.inner[edge] - row.outer.start), 2 * (column.inner[edge] - column.outer.start)),
      [2],
    );
  return { inner_start: inner('start'), inner_end: inner('end') };
}
