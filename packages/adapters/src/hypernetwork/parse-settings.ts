// What a file of a hypernetwork says beside its weights, by A1111's names.
import { type Folder, InvalidFileError, UnsupportedFileError } from '@emulsion/checkpoints';
import { hypernetworkActivations, resolveActivation } from './activations.ts';
import type { HypernetworkSettings } from './hypernetwork.ts';

/** The settings with A1111's defaults for what is missing (`Hypernetwork.load`). */
export function parseSettings(
  folder: Folder,
  path: string,
  given: ReadonlyMap<string, unknown>,
): { readonly settings: HypernetworkSettings; readonly notes: readonly string[] } {
  const invalid = (key: string, what: string) =>
    new InvalidFileError(folder, path, `its "${key}" is not ${what}`);
  /** A value of the kind that is wanted; A1111 writes None for what it does not know. */
  const read = <Value>(key: string, is: (value: unknown) => value is Value, what: string) => {
    const value = given.get(key) ?? undefined;
    if (value !== undefined && !is(value)) throw invalid(key, what);
    return value;
  };
  const text = (key: string) => read(key, (value) => typeof value === 'string', 'text');
  const flag = (key: string) => read(key, (value) => typeof value === 'boolean', 'true or false');
  const step = read('step', (value) => typeof value === 'number', 'a number');

  for (const key of ['skip_connection', 'upsample_linear']) {
    if (given.get(key)) {
      throw new UnsupportedFileError(
        folder,
        path,
        `it was trained with "${key}", an extension that changes its layers`,
        'A1111 itself cannot load it either: use another hypernetwork.',
      );
    }
  }
  const layerStructure = read('layer_structure', isNumbers, 'a list of numbers') ?? [1, 2, 1];
  const fits = layerStructure.length >= 2 && layerStructure[0] === 1 && layerStructure.at(-1) === 1;
  if (!fits || layerStructure.some((multiple) => !(multiple > 0)))
    throw invalid('layer_structure', 'a list of positive numbers from 1 to 1');
  const activation = text('activation_func') ?? 'linear';
  if (resolveActivation(activation) === undefined) {
    throw new UnsupportedFileError(
      folder,
      path,
      `its activation "${activation}" is not known`,
      `Known are linear, swish, ${hypernetworkActivations.join(', ')}.`,
    );
  }
  const dropoutStructure =
    read('dropout_structure', isNumbers, 'a list of numbers') ??
    legacyDropout(layerStructure.length, flag('use_dropout') ?? false, flag('last_layer_dropout') ?? false);
  const areShares = dropoutStructure.every((share) => share >= 0 && share < 1);
  if (dropoutStructure.length !== layerStructure.length || !areShares)
    throw invalid('dropout_structure', 'a share below 1 for each layer');
  const activateOutput = flag('activate_output');
  const notes =
    activateOutput === undefined && resolveActivation(activation) !== null
      ? ['The file does not say whether its output is activated; it is, as A1111 takes it.']
      : [];
  return {
    notes,
    settings: {
      name: text('name') ?? stemOf(path),
      step: step ?? 0,
      layerStructure,
      activation,
      isLayerNorm: flag('is_layer_norm') ?? false,
      activateOutput: activateOutput ?? true,
      dropoutStructure,
      weightInitialization: text('weight_initialization') ?? 'Normal',
      checkpointHash: text('sd_checkpoint'),
      checkpointName: text('sd_checkpoint_name'),
      optionalInfo: text('optional_info'),
    },
  };
}

/** What old files mean that only say whether there is dropout: 0.3 behind inner layers (`parse_dropout_structure`). */
function legacyDropout(layers: number, used: boolean, last: boolean): number[] {
  return Array.from({ length: layers }, (_, i) =>
    used && i > 0 && (i < layers - 2 || (i === layers - 2 && last)) ? 0.3 : 0,
  );
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item));

const stemOf = (path: string) => path.slice(path.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
