// The modules of a model that adapters can change: their paths and the shapes of their weights.
import type { Weights } from '@emulsion/checkpoints';
import type { Component } from './module-change.ts';

/** Dims of the weights of one component's modules, by diffusers' path. */
export type Modules = ReadonlyMap<string, readonly number[]>;

/** The modules of a model, by component; components that are left out are not changed. */
export type ModelModules = { readonly [C in Component]?: Modules };

/** The modules that the weights of a component belong to: every `….weight`, by its path. */
export function modulesOf(weights: Weights): Modules {
  const modules = new Map<string, readonly number[]>();
  for (const { name, dims } of weights.values()) {
    if (name.endsWith('.weight')) modules.set(name.slice(0, -'.weight'.length), dims);
  }
  return modules;
}
