// The graph of a network for one device: a graph builder that knows which forms of a layer the device is good at.
import { GraphBuilder } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';

/** Builds the graph of one network. Layers write into it. */
export class NetworkBuilder extends GraphBuilder {
  readonly dialect: Dialect;

  constructor(name: string, dialect: Dialect) {
    super(name);
    this.dialect = dialect;
  }
}
