// Where adapters enter a transformer.
import { type AdapterSlots, slotsWith, type WantedSlots } from '@emulsion/nn';
import type { Device } from '@emulsion/runtime';

/** The slots that are wanted, and on a processor those of the blocks, where LoRAs are made for. */
export const transformerSlots = (wanted: WantedSlots, { dialect }: Pick<Device, 'dialect'>): AdapterSlots =>
  slotsWith(wanted, (module) => dialect.branches && module.includes('transformer_blocks.'));
