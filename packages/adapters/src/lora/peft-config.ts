// PEFT's LoraConfig, which says what the weights are scaled by: in a file's metadata, or as adapter_config.json beside it.
import { type Folder, readJson } from '@emulsion/checkpoints';
import type { Component } from '../module-change.ts';

/** What diffusers calls the components where it packs the configurations of several into one. */
const prefixes: { readonly [C in Component]: string } = {
  unet: 'unet',
  transformer: 'transformer',
  textEncoder: 'text_encoder',
  textEncoder2: 'text_encoder_2',
  textEncoder3: 'text_encoder_3',
};

/** Keys of the metadata under which the configuration stands. */
const metadataKeys = ['lora_adapter_metadata', 'adapter_config'] as const;

/** The configurations of all components, as they were parsed. */
export type PeftConfig = Readonly<Record<string, unknown>>;

/** The configuration of a file, if it has one; text in the metadata that is not JSON is none. */
export async function readPeftConfig(
  folder: Folder,
  path: string,
  metadata: ReadonlyMap<string, string>,
): Promise<PeftConfig | undefined> {
  for (const key of metadataKeys) {
    const config = parseRecord(metadata.get(key));
    if (config) return config;
  }
  const beside = path.replace(/[^/]*$/, 'adapter_config.json');
  if (!(await folder.has(beside))) return undefined;
  const config = await readJson(folder, beside);
  return isRecord(config) ? config : undefined;
}

function parseRecord(text: string | undefined): PeftConfig | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is PeftConfig =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What PEFT says that the adapter was trained on. */
export function peftBaseModel(config: PeftConfig | undefined): string | undefined {
  const name = config?.base_model_name_or_path;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/** What PEFT multiplies the change of a module by: alpha / rank, or alpha / √rank if it is stabilised. */
export function peftScaling(
  config: PeftConfig | undefined,
  component: Component,
  module: string,
  rank: number,
): number {
  const settingOf = (key: string) => config?.[`${prefixes[component]}.${key}`] ?? config?.[key];
  const patterns = settingOf('alpha_pattern');
  const pattern = isRecord(patterns)
    ? Object.entries(patterns).find(([key]) => matchesPattern(key, module))?.[1]
    : undefined;
  const alpha = pattern ?? settingOf('lora_alpha');
  if (typeof alpha !== 'number' || rank === 0) return 1;
  return alpha / (settingOf('use_rslora') === true ? Math.sqrt(rank) : rank);
}

/** PEFT's patterns are regular expressions for the end of a module's path. */
function matchesPattern(pattern: string, module: string): boolean {
  // A stranger's expression could run for ever: those with more than names and single wildcards are compared as text.
  const plain = /^\^?[\w.\\-]*\$?$/.test(pattern);
  if (!plain) return module === pattern || module.endsWith(`.${pattern}`);
  try {
    return new RegExp(`^(?:.*\\.)?(?:${pattern.replace(/^\^|\$$/g, '')})$`).test(module);
  } catch {
    return module.endsWith(pattern);
  }
}
