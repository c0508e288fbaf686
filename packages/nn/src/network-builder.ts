// The graph of a network for one device: a graph builder that knows which forms of a layer the device is good at.
import { GraphBuilder, type Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { GroupNormShape } from './norms.ts';
import type { WeightScope } from './weight-scope.ts';

/** Builds the graph of one network. Layers write into it. */
export class NetworkBuilder extends GraphBuilder {
  readonly dialect: Dialect;
  /** What `groupNorm` writes where groups are not normalized by their own statistics, as in a tile of a picture. */
  readonly normalizeGroups?: (x: Value, w: WeightScope, shape: GroupNormShape) => Value;

  constructor(name: string, dialect: Dialect) {
    super(name);
    this.dialect = dialect;
  }
}
