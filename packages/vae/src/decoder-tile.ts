// One resolution of the decoder as a graph for a tile of the picture: groups are normalized by statistics that are fed.

import { type GroupNormShape, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';
import { decoderEnd, decoderStage } from './autoencoder-kl.ts';
import type { VaeConfig } from './vae-config.ts';

/** The graph of a stage, and how many of its outputs are statistics. */
export interface DecoderTile {
  readonly model: Model;
  readonly epsilons: readonly number[];
}

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
): DecoderTile {
  const { blockOutChannels } = config;
  const n = new TileBuilder(name, dialect);
  const x = n.input('x', 'float32', [1, blockOutChannels.at(-i)!, 'height', 'width']);
  const stage = decoderStage(n, x, weights, config, i);
  const isLast = i === blockOutChannels.length - 1;
  n.output('y', n.inner(isLast ? decoderEnd(n, stage, weights, config) : stage));
  return { model: n.build(), epsilons: n.epsilons };
}

const axes = tensor(Int32Array.of(2, 3), [2]);

/** Writes norms that take their statistics from outside, and tell those of the tile. */
class TileBuilder extends NetworkBuilder {
  /** The ε of each norm. */
  readonly epsilons: number[] = [];
  readonly #start: Value;
  readonly #end: Value;

  constructor(name: string, dialect: Dialect) {
    super(name, dialect);
    this.#start = this.input('inner_start', 'int32', [2]);
    this.#end = this.input('inner_end', 'int32', [2]);
  }

  /** The part of a picture inside of the margin. */
  inner(x: Value): Value {
    return this.op('Slice', [x, this.#start, this.#end, this.constant(axes)]);
  }

  override readonly normalizeGroups = (
    x: Value,
    w: WeightScope,
    { channels, groups, epsilon }: GroupNormShape,
  ): Value => {
    const k = this.epsilons.push(epsilon) - 1;
    this.#tell(x, k, groups);
    const mean = this.input(`mean_${k}`, 'float32', [1, groups, 1]);
    const inverseDeviation = this.input(`inverse_deviation_${k}`, 'float32', [1, groups, 1]);
    // (x − mean) / deviation · weight + bias, with a factor and an addend for each channel.
    const perGroup = [1, groups, channels / groups];
    const factor = this.op('Mul', [
      this.op('Reshape', [w.value(this, 'weight', [channels]), this.ints(...perGroup)]),
      inverseDeviation,
    ]);
    const bias = this.op('Reshape', [w.value(this, 'bias', [channels]), this.ints(...perGroup)]);
    const addend = this.op('Sub', [bias, this.op('Mul', [mean, factor])]);
    const perChannel = (value: Value) => this.op('Reshape', [value, this.ints(1, channels, 1, 1)]);
    return this.op('Add', [this.op('Mul', [x, perChannel(factor)]), perChannel(addend)]);
  };

  #tell(x: Value, k: number, groups: number): void {
    const grouped = this.op('Reshape', [this.inner(x), this.ints(0, groups, -1)]);
    const average = (value: Value) => this.op('ReduceMean', [value, this.ints(-1)], { keepdims: 1 });
    const mean = average(grouped);
    const centered = this.op('Sub', [grouped, mean]);
    this.output(`tile_mean_${k}`, mean);
    this.output(`tile_variance_${k}`, average(this.op('Mul', [centered, centered])));
  }
}
