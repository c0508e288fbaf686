// Which slots networks need, and which graphs have them.
import type { Model, Value } from '@emulsion/onnx';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { NetworkAdapter } from './adapter-feeds.ts';
import { type AdapterSlots, type SlotKind, slotInputs } from './adapter-slots.ts';

/** The kinds of slots that each module needs, by path. */
export type WantedSlots = ReadonlyMap<string, ReadonlySet<SlotKind>>;

/** The slots that a network needs for these adapters. */
export function wantedSlots(adapters: readonly NetworkAdapter[]): WantedSlots {
  const wanted = new Map<string, Set<SlotKind>>();
  for (const { modules } of adapters) {
    for (const [module, { lowRank, delta, bias }] of modules) {
      const kinds = wanted.get(module) ?? new Set();
      if (lowRank) kinds.add('lowRank');
      if (delta) kinds.add('delta');
      if (bias) kinds.add('bias');
      wanted.set(module, kinds);
    }
  }
  return wanted;
}

/** The slots that a graph has, read from its inputs. */
export function slotsOf(inputs: readonly Value[]): WantedSlots {
  const slots = new Map<string, Set<SlotKind>>();
  for (const input of inputs) {
    const slot = slotOf(input);
    if (slot) slots.set(slot.module, (slots.get(slot.module) ?? new Set()).add(slot.kind));
  }
  return slots;
}

/** The slots of two networks, or of one before and now. */
export function unitedSlots(some: WantedSlots, others: WantedSlots): WantedSlots {
  const both = new Map(some);
  for (const [module, kinds] of others) both.set(module, new Set([...(both.get(module) ?? []), ...kinds]));
  return both;
}

/** The first module that lacks a slot which is wanted; `undefined` if none does. */
export function missingSlot(inputs: readonly Value[], wanted: WantedSlots): string | undefined {
  const slots = slotsOf(inputs);
  for (const [module, kinds] of wanted) {
    for (const kind of kinds) if (!slots.get(module)?.has(kind)) return module;
  }
  return undefined;
}

/** @throws {InvalidArgumentError} if a graph that was written with slots does not have them all */
export function assertSlots({ graph }: Model, wanted: WantedSlots): void {
  const module = missingSlot(graph.inputs, wanted);
  if (module === undefined) return;
  throw new InvalidArgumentError(
    `${graph.name}: "${module}" is no module that an adapter can change. The adapter is for another model.`,
  );
}

/** Slots for low ranks in the modules in which that costs next to nothing, and those that are wanted. */
export const slotsWith =
  (wanted: WantedSlots, isCheap: (module: string) => boolean): AdapterSlots =>
  (module) => {
    const kinds = new Set<SlotKind>(wanted.get(module));
    if (isCheap(module)) kinds.add('lowRank');
    return kinds;
  };

/** What an input of a slot holds. */
export type SlotContent = 'down' | 'up' | 'delta' | 'scale';

/** An input that belongs to a slot. */
export interface SlotInput {
  readonly module: string;
  readonly kind: SlotKind;
  readonly content: SlotContent;
}

const contents: ReadonlyMap<string, Omit<SlotInput, 'module'>> = new Map(
  // The keys of the table are those of its type.
  (Object.keys(slotInputs) as SlotKind[]).flatMap((kind) =>
    Object.entries(slotInputs[kind]).map(
      ([content, name]) => [name, { kind, content: content as SlotContent }] as const,
    ),
  ),
);

/** The slot that an input of a graph belongs to, if it does to one. */
export function slotOf({ name }: Value): SlotInput | undefined {
  const dot = name.lastIndexOf('.');
  const found = contents.get(name.slice(dot + 1));
  return found && dot > 0 ? { module: name.slice(0, dot), ...found } : undefined;
}
