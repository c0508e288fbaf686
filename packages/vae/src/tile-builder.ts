// Writes graphs for tiles of a picture, whose groups are normalized by statistics that are fed.
import { type GroupNormShape, NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import { tensor } from '@emulsion/tensor';

/** The graph of a stage for tiles, and the ε of each of its norms. */
export interface TileGraph {
  readonly model: Model;
  readonly epsilons: readonly number[];
}

const axes = tensor(Int32Array.of(2, 3), [2]);

/** Writes norms that take their statistics from outside, and tell those of the tile. */
export class TileBuilder extends NetworkBuilder {
  /** The ε of each norm. */
  readonly epsilons: number[] = [];
  readonly #start: Value;
  readonly #end: Value;

  constructor(name: string, dialect: Dialect) {
    super(name, dialect);
    this.#start = this.input('inner_start', 'int32', [2]);
    this.#end = this.input('inner_end', 'int32', [2]);
  }

  /** The part of a picture inside of the margin, of the size that norms work at. */
  inner(x: Value): Value {
    return this.op('Slice', [x, this.#start, this.#end, this.constant(axes)]);
  }

  /** The part of what a tile gives that lies inside of the margin, where that is of another size. */
  given(x: Value): Value {
    const [start, end] = [this.input('given_start', 'int32', [2]), this.input('given_end', 'int32', [2])];
    return this.op('Slice', [x, start, end, this.constant(axes)]);
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
