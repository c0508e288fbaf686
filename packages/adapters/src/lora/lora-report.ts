// What became of a file of the LoRA family: which of its tensors change what.

import type { ModelModules } from '../model-modules.ts';
import { type Component, components } from '../module-change.ts';
import type { LoraAlgorithm } from './algorithms.ts';
import { familyNamed, familyOf, modelFamilies } from './base-model.ts';

/** A module of the model that is changed. */
export interface LoraTarget {
  readonly component: Component;
  readonly module: string;
}

/** What became of the tensors of a file. */
export interface LoraReport {
  /** Names of the tensors that change the model. */
  readonly matched: readonly string[];
  /** Names of the tensors whose module the model does not have. */
  readonly unmatched: readonly string[];
  /** Names of the tensors that mean nothing here: parts of no known form, or of a module that has them twice. */
  readonly unused: readonly string[];
  /** The members of the family that the file's modules are of. */
  readonly algorithms: readonly LoraAlgorithm[];
  /** Whether magnitudes are learned apart, as in DoRA. */
  readonly dora: boolean;
  /** Ranks of the factors, ascending, each once. */
  readonly ranks: readonly number[];
  /** The modules that are changed, in the order of the file. */
  readonly targets: readonly LoraTarget[];
  /** The model that the file says it is for, in its own words, if it does. */
  readonly baseModel: string | undefined;
  /** One sentence, if the file does not quite fit the model. */
  readonly warning: string | undefined;
}

/** What is odd about a file that changes a model all the same, in one sentence. */
export function fitWarning(
  model: ModelModules,
  { matched, unmatched, baseModel }: Pick<LoraReport, 'matched' | 'unmatched' | 'baseModel'>,
): string | undefined {
  const stated = baseModel === undefined ? undefined : familyNamed(baseModel);
  const own = familyOf(model);
  if (stated && own && stated !== own) {
    return `The file says that it is for ${JSON.stringify(baseModel)}, but this model is of ${modelFamilies[own]}.`;
  }
  if (unmatched.length === 0) return undefined;
  const present = components.filter((component) => model[component]).join(', ');
  return `${unmatched.length} of ${matched.length + unmatched.length} tensors belong to modules that this model does not have in ${present}, the first is ${JSON.stringify(unmatched[0])}.`;
}
