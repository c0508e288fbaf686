// Which model an adapter file says it is for, and which one a model is.
import type { ModelModules } from '../model-modules.ts';
import { type PeftConfig, peftBaseModel } from './peft-config.ts';
import { isFlux } from './places.ts';

/** Families of models whose adapters do not fit each other. */
export const modelFamilies = {
  sd1: 'Stable Diffusion 1',
  sd2: 'Stable Diffusion 2',
  sdxl: 'Stable Diffusion XL',
  sd3: 'Stable Diffusion 3',
  flux: 'Flux',
} as const;
export type ModelFamily = keyof typeof modelFamilies;

/** How kohya's, Stability AI's and PEFT's names tell the family; the first that fits counts. */
const families: readonly (readonly [ModelFamily, RegExp])[] = [
  ['flux', /flux/i],
  ['sdxl', /xl/i],
  ['sd3', /(?:sd|stable[-_ ]?diffusion)[-_ ]?(?:v)?3/i],
  ['sd2', /(?:sd|stable[-_ ]?diffusion)[-_ ]?(?:v)?2/i],
  ['sd1', /(?:sd|stable[-_ ]?diffusion)[-_ ]?(?:v)?1/i],
];

/** Notes that name the model a file is for, the most exact first. */
const notes = ['ss_base_model_version', 'modelspec.architecture', 'ss_sd_model_name'] as const;

/** What a file says that it is for, in its own words. */
export const statedBaseModel = (
  metadata: ReadonlyMap<string, string>,
  config: PeftConfig | undefined,
): string | undefined => notes.map((key) => metadata.get(key)).find(Boolean) ?? peftBaseModel(config);

/** The family that a name tells, if it tells one. */
export const familyNamed = (name: string): ModelFamily | undefined =>
  families.find(([, pattern]) => pattern.test(name))?.[0];

/** The family of a model, by the modules that only its kind has; `undefined` if sizes do not tell. */
export function familyOf({ unet, transformer }: ModelModules): ModelFamily | undefined {
  if (transformer) return isFlux(transformer) ? 'flux' : 'sd3';
  if (!unet) return undefined;
  if (unet.has('add_embedding.linear_1')) return 'sdxl';
  const context = unet.get('mid_block.attentions.0.transformer_blocks.0.attn2.to_k')?.[1];
  return context === 768 ? 'sd1' : context === 1024 ? 'sd2' : undefined;
}
