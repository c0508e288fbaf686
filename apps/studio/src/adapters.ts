// The adapters of the model that paints, and what the visitor can do with them.
import type { AdapterInfo } from '@emulsion/pipelines';
import { effect, signal } from '@preact/signals';
import { embeddedFewStepLora } from './model-source.ts';
import { fewStepSettings } from './settings.ts';
import { announcement, change, model, problem } from './studio.ts';

/** In the order in which they were added. */
export const adapters = signal<readonly AdapterInfo[]>([]);

// Another model has none.
effect(() => {
  if (model.value?.state !== 'ready') adapters.value = [];
});

/** Endings of files that may hold adapters. */
export const adapterEndings = ['.safetensors', '.pt', '.pth', '.bin', '.ckpt'] as const;

export const isAdapterFile = ({ name }: File): boolean =>
  adapterEndings.some((ending) => name.toLowerCase().endsWith(ending));

/** Does something with the adapters of the model, and says what went wrong. */
async function withAdapters(
  work: (own: NonNullable<ReturnType<typeof ownAdapters>>) => Promise<void>,
): Promise<void> {
  const own = ownAdapters();
  if (!own) return;
  problem.value = undefined;
  try {
    await work(own);
    const list = await own.list();
    if (ownAdapters() === own) adapters.value = list;
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
  }
}

const ownAdapters = () => (model.value?.state === 'ready' ? model.value.pipeline.adapters : undefined);

/** Changes the model by files. */
export const addAdapters = (files: Iterable<File>): Promise<void> =>
  withAdapters(async (own) => {
    for (const file of files) {
      announcement.value = `Adding ${file.name}`;
      const { name } = await own.add(file);
      announcement.value = `${name} changes the model`;
    }
  });

/** Adds the LoRA of few steps that comes with the embedded model, and asks for as many. */
export const addFewSteps = (): Promise<void> =>
  withAdapters(async (own) => {
    const response = await fetch(embeddedFewStepLora());
    if (!response.ok) {
      throw new Error(`The LoRA of few steps is not there (${response.status}). Load the page again.`);
    }
    await own.add(new File([await response.blob()], 'few-step.safetensors'));
    change(fewStepSettings);
    announcement.value = `The embedded model paints in ${fewStepSettings.numInferenceSteps} steps now`;
  });

/** What is being painted goes on with it from the next step on. */
export const setStrength = (name: string, strength: number): Promise<void> =>
  withAdapters((own) => own.set(name, strength));

export const removeAdapter = (name: string): Promise<void> =>
  withAdapters(async (own) => {
    await own.remove(name);
    announcement.value = `${name} is gone`;
  });
