// One resolution of the decoder as a graph for a tile of the picture: groups are normalized by statistics that are fed.
import type { WeightScope } from '@emulsion/nn';
import type { Dialect } from '@emulsion/runtime';
import { decoderEnd, decoderStage } from './autoencoder-kl.ts';
import { TileBuilder, type TileGraph } from './tile-builder.ts';
import type { VaeConfig } from './vae-config.ts';

/**
 * Stage `i` of the decoder (see `decoderStage`), the last one with the end of the decoder, for one tile.
 *
 * Inputs: `x` `[1, channels, height, width]`, a tile with a margin; `inner_start` and `inner_end` `[2]`, int32, the rows
 * and columns of the enlarged tile that lie inside of the margin; for each norm k in their order `mean_k` and
 * `inverse_deviation_k` `[1, groups, 1]`, those of the whole picture. Outputs: `y`, the inner part of the stage's result,
 * and for each norm `tile_mean_k` and `tile_variance_k` `[1, groups, 1]` of what it is given in the inner part.
 */
export function decoderTile(
  name: string,
  config: VaeConfig,
  weights: WeightScope,
  dialect: Dialect,
  i: number,
): TileGraph {
  const { blockOutChannels } = config;
  const n = new TileBuilder(name, dialect);
  const x = n.input('x', 'float32', [1, blockOutChannels.at(-i)!, 'height', 'width']);
  const stage = decoderStage(n, x, weights, config, i);
  const isLast = i === blockOutChannels.length - 1;
  n.output('y', n.inner(isLast ? decoderEnd(n, stage, weights, config) : stage));
  return { model: n.build(), epsilons: n.epsilons };
}
