// The one list of what the golden data covers and Emulsion does not do yet. It shrinks, and is empty in the end.
import type { Area } from './areas.ts';

/** What a case is about; an entry of the list names the cases that have all of its traits. */
export interface Traits {
  /** What the counts are grouped by: the scheduler class, the operation, the tokenizer, the kind of model case. */
  readonly kind: string;
  readonly family?: string;
  readonly pipeline?: string;
  readonly scheduler?: string;
}

/** An entry of the list: the cases of an area that have these traits, and why they are not run. */
export interface Unsupported extends Partial<Traits> {
  readonly area: Area;
  readonly reason: string;
}

/** Kinds of cases that are not supported yet. */
export const unsupported: readonly Unsupported[] = [
  { area: 'models', kind: 'unet', family: 'deepfloyd_if', reason: 'U-Nets on pixels come later' },
  { area: 'models', kind: 'unet', family: 'unclip', reason: 'U-Nets on pixels come later' },
  { area: 'models', kind: 'prior_transformer', reason: 'UnCLIP comes later' },
  { area: 'models', kind: 'unclip_text_proj', reason: 'UnCLIP comes later' },
  { area: 'models', kind: 'train', reason: 'training comes later' },
  { area: 'models', pipeline: 'IFPipeline', reason: 'U-Nets on pixels come later' },
  { area: 'models', pipeline: 'IFSuperResolutionPipeline', reason: 'U-Nets on pixels come later' },
  { area: 'models', pipeline: 'UnCLIPPipeline', reason: 'UnCLIP comes later' },
  { area: 'adapters', kind: 'lora_train', reason: 'training comes later' },
  { area: 'adapters', kind: 'hypernetwork_train', reason: 'training comes later' },
  { area: 'adapters', kind: 'textual_inversion_train', reason: 'training comes later' },
];

/** The first entry that names a case with these traits. */
export function findUnsupported(
  area: Area,
  traits: Traits,
  list: readonly Unsupported[] = unsupported,
): Unsupported | undefined {
  return list.find((entry) => names(entry, area, traits));
}

const names = (entry: Unsupported, area: Area, traits: Traits): boolean =>
  entry.area === area &&
  (['kind', 'family', 'pipeline', 'scheduler'] as const).every(
    (trait) => entry[trait] === undefined || entry[trait] === traits[trait],
  );

/** The entries of an area that name none of its cases. */
export function uselessEntries(
  area: Area,
  cases: readonly Traits[],
  list: readonly Unsupported[] = unsupported,
): readonly Unsupported[] {
  return list.filter((entry) => entry.area === area && !cases.some((traits) => names(entry, area, traits)));
}
