// How strong an adapter is: in all, over the steps, and in parts of the model.
import { InvalidArgumentError } from '@emulsion/tensor';

/**
 * 1 is as it was trained, 0 is nothing, negative its opposite. Or the strength by the share of the painting's steps that
 * is done, from 0 to below 1; prompts are encoded at 0.
 */
export type AdapterStrength = number | ((progress: number) => number);

export interface AdapterSettings {
  /** 1 unless said otherwise. */
  readonly strength?: AdapterStrength | undefined;
  /**
   * What the strength is multiplied by in parts of the model: in a component, such as `unet` or `textEncoder`, or in its
   * modules below a path, such as `unet.down_blocks.1`. The longest path that a module lies below counts.
   */
  readonly weights?: Readonly<Record<string, number>> | undefined;
}

/** What of an adapter is known: by component the paths of the modules that it changes. */
type Parts = ReadonlyMap<string, { readonly modules: ReadonlyMap<string, unknown> }>;

/**
 * @param parts of the adapter, if they are known yet
 * @throws {InvalidArgumentError} if a number is none, or a part of the model is not one that the adapter changes
 */
export function assertSettings(
  name: string,
  { strength = 1, weights = {} }: AdapterSettings,
  parts?: Parts,
): void {
  if (typeof strength === 'number') assertStrength(name, strength);
  for (const [path, weight] of Object.entries(weights)) {
    if (!Number.isFinite(weight)) {
      throw new InvalidArgumentError(
        `adapters: the weight of "${name}" in "${path}" is ${weight}. Give a finite number; 1 is as trained.`,
      );
    }
    if (parts?.size === 0) {
      throw new InvalidArgumentError(
        `adapters: "${name}" has one strength for all of the model. Leave weights out.`,
      );
    }
    if (parts && !isPart(path, parts)) {
      throw new InvalidArgumentError(
        `adapters: "${name}" changes nothing in "${path}". Give a component of ${[...parts.keys()].join(', ')}, or a path in one.`,
      );
    }
  }
}

function assertStrength(name: string, strength: number): void {
  if (Number.isFinite(strength)) return;
  throw new InvalidArgumentError(
    `adapters: the strength of "${name}" is ${strength}. Give a finite number; 1 is as trained.`,
  );
}

function isPart(path: string, parts: Parts): boolean {
  for (const [component, { modules }] of parts) {
    if (path === component) return true;
    for (const module of modules.keys()) if (isBelow(`${component}.${module}`, path)) return true;
  }
  return false;
}

const isBelow = (module: string, path: string) => module === path || module.startsWith(`${path}.`);

/**
 * The strength in a module.
 * @param module its component and its path in there
 * @throws {InvalidArgumentError} if a schedule gives what is no finite number
 */
export function strengthIn(
  name: string,
  { strength = 1, weights = {} }: AdapterSettings,
  module: string,
  progress: number,
): number {
  const base = typeof strength === 'number' ? strength : strength(progress);
  assertStrength(name, base);
  let [longest, factor] = ['', 1];
  for (const [path, weight] of Object.entries(weights)) {
    if (path.length > longest.length && isBelow(module, path)) [longest, factor] = [path, weight];
  }
  return base * factor;
}
