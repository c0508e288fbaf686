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

/** How files are added. */
export interface AddAdapterFilesOptions {
  readonly localFilesOnly?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Whether a file whose name is taken gets a number; not unless said otherwise, as prompts name embeddings. */
  readonly numbered?: boolean;
}

/** Puts adapters on a pipeline. @returns what is to be said of them, in sentences */
export async function addAdapters(
  { adapters }: Pick<Pipeline, 'adapters'>,
  files: readonly AdapterFile[],
  { numbered = false, ...options }: AddAdapterFilesOptions,
): Promise<string[]> {
  const notes: string[] = [];
  for (const { path, strength } of files) {
    const name = numbered ? numberedName(path, adapters.list()) : undefined;
    const info = await adapters.add(path, { ...options, strength, name });
    notes.push(sentence(info), ...info.notes);
  }
  return notes;
}

/** A name for a file whose own is taken: many are called `pytorch_lora_weights.safetensors`. */
function numberedName(path: string, added: readonly AdapterInfo[]): string | undefined {
  const stem = path.slice(path.search(/[^/\\]*$/)).replace(/\.[^.]+$/, '');
  const isTaken = (name: string) => added.some((other) => other.name === name);
  if (!isTaken(stem)) return undefined;
  let number = 2;
  while (isTaken(`${stem} ${number}`)) number++;
  return `${stem} ${number}`;
}

/** The kinds as sentences name them. */
const kindNames: Partial<Record<AdapterInfo['kind'], string>> = { lora: 'LoRA' };

const sentence = ({ name, kind, report, strength }: AdapterInfo) =>
  kind === 'embedding'
    ? `Prompts name an embedding by "${name}", at strength ${strength}.`
    : `The ${kindNames[kind] ?? kind} "${name}" changes ${report.targets.length} modules at strength ${strength}.`;
