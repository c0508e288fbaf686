// The graph of a network for one device: a graph builder that knows which forms of a layer the device is good at.
import { type Dim, GraphBuilder, type Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';
import type { AdapterSlots } from './adapter-slots.ts';
import type { GroupNormShape } from './norms.ts';
import type { WeightScope } from './weight-scope.ts';

const none: ReturnType<AdapterSlots> = new Set();

/** Builds the graph of one network. Layers write into it. */
export class NetworkBuilder extends GraphBuilder {
  readonly dialect: Dialect;
  /** Where adapters may enter; nowhere unless said otherwise. */
  readonly slots: AdapterSlots;
  /** What `groupNorm` writes where groups are not normalized by their own statistics, as in a tile of a picture. */
  readonly normalizeGroups?: (x: Value, w: WeightScope, shape: GroupNormShape) => Value;

  readonly #slotInputs = new Map<string, Value>();

  constructor(name: string, dialect: Dialect, slots: AdapterSlots = () => none) {
    super(name);
    this.dialect = dialect;
    this.slots = slots;
  }

  /** An input of a module's slot; of a module that is written in parts, one for all of them. */
  slotInput(module: string, input: string, shape: readonly Dim[]): Value {
    const name = `${module}.${input}`;
    const value = this.#slotInputs.get(name) ?? this.input(name, 'float32', shape);
    this.#slotInputs.set(name, value);
    return value;
  }
}
