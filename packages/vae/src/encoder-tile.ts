// One resolution of the encoder as a graph for a tile of the picture: groups are normalized by statistics that are fed.
import type { WeightScope } from '@emulsion/nn';
import type { Dialect } from '@emulsion/runtime';
import { encoderStage } from './autoencoder-kl.ts';
import { TileBuilder, type TileGraph } from './tile-builder.ts';
import type { VaeConfig } from './vae-config.ts';

/**
 * Stage `i` of the encoder (see `encoderStage`), not the last one, for one tile. Inputs and outputs are those of
 * `decoderTile`, with `given_start` and `given_end` `[2]`, int32, the rows and columns of the halved tile that lie inside
 * of the margin.
 */
export function encoderTile(
  name: string,
  config: VaeConfig,
  weights: WeightScope,
  dialect: Dialect,
  i: number,
): TileGraph {
  const { inChannels, blockOutChannels } = config;
  const n = new TileBuilder(name, dialect);
  const channels = i === 0 ? inChannels : blockOutChannels[i - 1]!;
  const x = n.input('x', 'float32', [1, channels, 'height', 'width']);
  n.output('y', n.given(encoderStage(n, x, weights, config, i)));
  return { model: n.build(), epsilons: n.epsilons };
}
