// What adapters make of what attention layers read, before keys and values are made of it (hypernetworks).
import { dataTypeNumbers, type Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';

/** What contexts are changed for. */
export const contextUses = ['key', 'value'] as const;
export type ContextUse = (typeof contextUses)[number];

/** What one adapter adds to contexts, times its strength. */
export interface ContextChange {
  /** By the number of channels: writes what is added to a context `[batch, sequence, channels]`, of the same shape. */
  readonly widths: ReadonlyMap<number, Readonly<Record<ContextUse, WriteNetwork>>>;
}

/** @param name what the network's weights are named after; asked for twice, they are stored once */
export type WriteNetwork = (n: NetworkBuilder, context: Value, name: string) => Value;

/** What keys and values are made of, given the context of a layer and its number of channels. */
export type ChangeContext = (context: Value, channels: number) => Readonly<Record<ContextUse, Value>>;

/** The input of a graph with the strengths of its changes, `[changes]`. */
export const contextStrengths = 'context_strengths';

/** Writes the strengths' input, if there are changes: each takes what the one before it gives. */
export function contextChanges(n: NetworkBuilder, changes: readonly ContextChange[]): ChangeContext {
  if (changes.length === 0) return (context) => ({ key: context, value: context });
  const strengths = n.input(contextStrengths, 'float32', [changes.length]);
  const strength = changes.map((_, i) => n.op('Slice', [strengths, n.ints(i), n.ints(i + 1), n.ints(0)]));
  // The text is the context of many layers.
  const known = new Map<Value, Readonly<Record<ContextUse, Value>>>();
  const changed = (context: Value, channels: number, use: ContextUse) =>
    changes.reduce((given, { widths }, i) => {
      const write = widths.get(channels)?.[use];
      if (!write) return given;
      const add = () => {
        const added = write(n, given, `context_change.${i}.${channels}.${use}`);
        return n.op('Add', [given, n.op('Mul', [added, strength[i]!])]);
      };
      if (!n.dialect.branches) return add();
      const isActive = n.op('Cast', [n.op('Squeeze', [strength[i]!, n.ints(0)])], {
        to: dataTypeNumbers.bool,
      });
      return n.either(isActive, add, () => given);
    }, context);
  return (context, channels) => {
    const both = known.get(context) ?? {
      key: changed(context, channels, 'key'),
      value: changed(context, channels, 'value'),
    };
    known.set(context, both);
    return both;
  };
}
