// Files of LoRAs, embeddings and hypernetworks on the command line, each with its strength.
import type { AdapterInfo, Pipeline } from '@emulsion/pipelines';

/** A file, and how strong it is. */
export interface AdapterFile {
  readonly path: string;
  readonly strength: number;
}

/** Reads `FILE` or `FILE:STRENGTH`; strength 1 unless given. */
export function parseAdapterFile(text: string): AdapterFile {
  const [, path = text, strength = '1'] = /^(.+):([+-]?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return { path, strength: Number(strength) };
}

/** Puts adapters on a pipeline. @returns what is to be said of them, in sentences */
export async function addAdapters(
  { adapters }: Pick<Pipeline, 'adapters'>,
  files: readonly AdapterFile[],
  options: { readonly localFilesOnly?: boolean | undefined; readonly signal: AbortSignal },
): Promise<string[]> {
  const notes: string[] = [];
  for (const { path, strength } of files) {
    const info = await adapters.add(path, { ...options, strength });
    notes.push(sentence(info), ...info.notes);
  }
  return notes;
}

/** The kinds as sentences name them. */
const kindNames: Partial<Record<AdapterInfo['kind'], string>> = { lora: 'LoRA' };

const sentence = ({ name, kind, report, strength }: AdapterInfo) =>
  kind === 'embedding'
    ? `Prompts name an embedding by "${name}", at strength ${strength}.`
    : `The ${kindNames[kind] ?? kind} "${name}" changes ${report.targets.length} modules at strength ${strength}.`;
