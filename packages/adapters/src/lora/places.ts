// Every name that files give to the modules of a model, and where each belongs.

import type { ModelModules, Modules } from '../model-modules.ts';
import { type Component, components } from '../module-change.ts';
import { fluxNames } from './flux-names.ts';
import { ldmUnetNames } from './ldm-unet-names.ts';
import type { OriginalName } from './original-name.ts';
import { type Place, type RowRange, wholePlace } from './place.ts';
import { sd3Names } from './sd3-names.ts';

/** The places of the modules of each component, by their names with `_` for `.`, as kohya flattens them. */
export type Places = ReadonlyMap<Component, ReadonlyMap<string, readonly Place[]>>;

/** A name as it is looked up: dotted and flattened paths alike. */
export const flatten = (path: string): string => path.replaceAll('.', '_');

export function placesOf(model: ModelModules): Places {
  const places = new Map<Component, ReadonlyMap<string, readonly Place[]>>();
  for (const component of components) {
    const modules = model[component];
    if (modules) places.set(component, new Map(namesOf(component, modules)));
  }
  return places;
}

/** The later of equal names counts, and diffusers' own are the last. */
function* namesOf(component: Component, modules: Modules): Generator<[name: string, places: Place[]]> {
  for (const original of originalNames(component, modules)) {
    const places = originalPlaces(component, modules, original);
    if (places) yield [flatten(original.name), places];
  }
  for (const [module, dims] of modules) {
    const places = [wholePlace(component, module, dims)];
    for (const name of spellings(component, module)) yield [flatten(name), places];
  }
}

function* originalNames(component: Component, modules: Modules): Generator<OriginalName> {
  if (component === 'unet') {
    for (const [module, name] of ldmUnetNames(modules)) yield { name, modules: [module] };
  }
  if (component === 'transformer') yield* isFlux(modules) ? fluxNames(modules) : sd3Names(modules);
}

/** Whether a transformer is that of Flux, which alone has blocks of one stream. */
export const isFlux = (modules: Modules): boolean => modules.has('single_transformer_blocks.0.norm.linear');

/** Where a name of the original belongs; `undefined` if the model lacks one of its modules. */
function originalPlaces(component: Component, modules: Modules, original: OriginalName): Place[] | undefined {
  const parts = original.modules.map((module) => ({ module, dims: modules.get(module) }));
  const fileRows = parts.reduce((sum, { dims }) => sum + (dims?.[0] ?? 0), 0);
  const places: Place[] = [];
  let start = 0;
  for (const { module, dims } of parts) {
    if (!dims) return undefined;
    const end = start + (dims[0] ?? 0);
    const half = (start + end) / 2;
    const rows: RowRange[] = original.swapped
      ? [
          [half, end],
          [start, half],
        ]
      : [[start, end]];
    places.push({ component, module, dims, fileRows, rows });
    start = end;
  }
  return places;
}

/** The ways in which files write diffusers' path of a module. */
function* spellings(component: Component, module: string): Generator<string> {
  if (component !== 'unet' && component !== 'transformer') {
    // transformers wrote CLIP's weights with this prefix, and no longer does.
    const bare = module.replace(/^text_model\./, '');
    for (const name of [bare, `text_model.${bare}`]) {
      yield name;
      // Old files of diffusers have the names of the U-Net's attention here too.
      const [, home, part] = /^(.*\.self_attn\.)(q|k|v|out)_proj$/.exec(name) ?? [];
      if (home !== undefined && part !== undefined) yield `${home}to_${part}`;
    }
    return;
  }
  yield module.replace(/\.to_out\.0$/, '.to_out');
  yield module;
}
