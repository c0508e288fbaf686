// Running one stage of an autoencoder on all tiles of a picture, which share the statistics of their norms.
import { type Model, onlyOutputs } from '@emulsion/onnx';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { type AnyTensor, type Tensor, tensor, zeros } from '@emulsion/tensor';
import { type BandedPicture, paste } from './banded-picture.ts';
import type { TileGraph } from './tile-builder.ts';
import { GroupStatistics, type Stretch, type TileSpan } from './tiles.ts';

/** Runs `use` with a session of a model, which is freed after. */
export async function withSession<Result>(
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

/** A stage, and the tiles of the picture that it is run on. */
export interface TiledStage extends TileGraph {
  readonly groups: number;
  readonly rows: readonly TileSpan[];
  readonly columns: readonly TileSpan[];
}

/**
 * Runs a stage: for one norm after the other all tiles run up to it, and their statistics are put together; then all run
 * to the end.
 * @param x what comes; its memory is given up on the way
 * @param result what is given, empty yet
 */
export async function runTiles(
  device: Device,
  { model, epsilons, groups, rows, columns }: TiledStage,
  x: BandedPicture,
  result: BandedPicture,
  options: Cancellable,
): Promise<void> {
  const window = zeros([1, x.channels, lengthOf(rows[0]!.outer), lengthOf(columns[0]!.outer)]);
  const statistics: Record<string, Tensor> = {};

  /** Runs the part of the graph for `outputs` on a row of tiles after the other. */
  const run = (outputs: readonly string[], take: (row: TileSpan, given: readonly Given[]) => void) => {
    const part = onlyOutputs(model, outputs);
    return withSession(device, part, options, async (session) => {
      for (const row of rows) {
        const given: Given[] = [];
        for (const column of columns) {
          x.cut(row.outer, column.outer, window.data);
          const all: Readonly<Record<string, AnyTensor>> = {
            ...statistics,
            x: window,
            inner_start: corner(row.inner.start, column.inner.start),
            inner_end: corner(row.inner.end, column.inner.end),
            given_start: corner(row.given.start, column.given.start),
            given_end: corner(row.given.end, column.given.end),
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
  await run(['y'], (row, given) => {
    const band = result.grow(lengthOf(row.target));
    for (const { column, outputs } of given) paste(band, outputs.y!, column.target.start);
    x.release(rows[rows.indexOf(row) + 1]?.outer.start ?? x.height);
  });
}

/** What the graph gave for one tile of a row. */
interface Given {
  readonly column: TileSpan;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

const lengthOf = ({ start, end }: Stretch) => end - start;

const corner = (row: number, column: number) => tensor(Int32Array.of(row, column), [2]);
