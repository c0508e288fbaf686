// How the parts of a model are loaded, one after the other.
import { type Folder, readJson } from '@emulsion/checkpoints';
import { loadScheduler } from '@emulsion/schedulers';

/** Loads a part: whoever asks for several tells of each, and frees those that are loaded if another one fails. */
export type LoadPart = <Part extends { dispose(): Promise<void> }>(
  component: string,
  load: () => Promise<Part>,
) => Promise<Part>;

/** Loads a part, and no more. */
export const justLoad: LoadPart = (_, load) => load();

/**
 * The scheduler_config.json of a model in diffusers layout.
 * @param component the folder that it is in
 * @throws the errors of `loadScheduler`: one that is not supported is refused now, not with the first picture
 */
export async function readSchedulerConfig(
  model: Folder,
  component = 'scheduler',
): Promise<Readonly<Record<string, unknown>>> {
  const config = await readJson(model.subfolder(component), 'scheduler_config.json');
  await loadScheduler(config);
  return config as Readonly<Record<string, unknown>>; // an object, or it would have been refused
}
