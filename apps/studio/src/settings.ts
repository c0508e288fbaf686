// What the visitor asks for, and how it stands in a picture's file.
import { formatGenerationParameters, parseGenerationParameters } from '@emulsion/image';
import { schedulerAliases, spacingAliases } from '@emulsion/schedulers';

export interface Settings {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly numInferenceSteps: number;
  readonly guidanceScale: number;
  /** A name of @emulsion/schedulers' table; empty for the model's own. */
  readonly sampler: string;
  /** Spacing of the noise levels, likewise. */
  readonly spacing: string;
  /** Undefined for a new one each time. */
  readonly seed: number | undefined;
  /** Pixels; undefined for the model's own size. */
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly numImages: number;
}

export const defaultSettings: Settings = {
  prompt: '',
  negativePrompt: '',
  numInferenceSteps: 12,
  guidanceScale: 3,
  sampler: '',
  spacing: '',
  seed: undefined,
  width: undefined,
  height: undefined,
  numImages: 1,
};

/** What the embedded model with its LoRA of few steps paints best with. */
export const fewStepSettings = {
  numInferenceSteps: 2,
  guidanceScale: 1,
  sampler: 'lcm',
  spacing: '',
} as const satisfies Partial<Settings>;

/** The sampler by the one name that the pipeline takes, or undefined for the model's own. */
export const schedulerOf = ({ sampler, spacing }: Settings): string | undefined =>
  sampler === '' ? undefined : `${sampler} ${spacing}`.trim();

/** What of a painted picture its settings do not say. */
export interface PaintedPicture {
  readonly seed: number | bigint;
  readonly width: number;
  readonly height: number;
  /** Its place among the pictures that were painted together. */
  readonly index: number;
  readonly model: string;
  /** The class of the model's own scheduler. */
  readonly ownScheduler: string;
}

/** The text that goes with the picture, in A1111's form. */
export function settingsText(settings: Settings, picture: PaintedPicture): string {
  return formatGenerationParameters({
    prompt: settings.prompt,
    negativePrompt: settings.negativePrompt,
    parameters: {
      Steps: `${settings.numInferenceSteps}`,
      Sampler: schedulerOf(settings) ?? picture.ownScheduler,
      'CFG scale': `${settings.guidanceScale}`,
      Seed: `${picture.seed}`,
      Size: `${picture.width}x${picture.height}`,
      ...(settings.numImages > 1 && {
        'Batch size': `${settings.numImages}`,
        'Batch pos': `${picture.index}`,
      }),
      Model: picture.model,
      Version: 'Emulsion',
    },
  });
}

/** Spellings differ in case, spaces, underscores and plus signs. */
const spelling = (name: string) =>
  name
    .toLowerCase()
    .replaceAll('++', 'pp')
    .replace(/[^a-z0-9]/g, '');

/** Sampler and spacing of a name, both empty if it is none of the table's: then the model's own is meant. */
function samplerNamed(name: string): Pick<Settings, 'sampler' | 'spacing'> {
  const wanted = spelling(name);
  for (const { name: sampler, aliases } of schedulerAliases) {
    for (const spelled of [sampler, ...aliases].map(spelling)) {
      if (spelled === wanted) return { sampler, spacing: '' };
      const found = spacingAliases.find((each) =>
        [each.name, ...each.aliases].some((end) => spelled + spelling(end) === wanted),
      );
      if (found) return { sampler, spacing: found.name };
    }
  }
  return { sampler: '', spacing: '' };
}

/** Sampler and spacing; A1111 writes the spacing behind the sampler's name, or since 1.9 by itself. */
function samplerOf(sampler: string, scheduleType = ''): Pick<Settings, 'sampler' | 'spacing'> {
  const found = samplerNamed(`${sampler} ${scheduleType}`);
  // "Automatic" and what is not known are the sampler's own.
  return found.sampler === '' ? samplerNamed(sampler) : found;
}

/** A whole number or any, or the fallback where there is none. */
function numberIn(text: string | undefined, fallback: number): number {
  const value = Number(text?.trim() === '' ? undefined : text);
  return Number.isFinite(value) ? value : fallback;
}

/** The settings of a picture's text; what it does not say is as in `current`. */
export function settingsFrom(text: string, current: Settings = defaultSettings): Settings {
  const { prompt, negativePrompt, parameters } = parseGenerationParameters(text);
  const [, width, height] = /^(\d+)x(\d+)$/.exec(parameters.Size ?? '') ?? [];
  const seed = numberIn(parameters.Seed, Number.NaN);
  return {
    prompt,
    negativePrompt,
    numInferenceSteps: numberIn(parameters.Steps, current.numInferenceSteps),
    guidanceScale: numberIn(parameters['CFG scale'], current.guidanceScale),
    ...(parameters.Sampler === undefined
      ? { sampler: current.sampler, spacing: current.spacing }
      : samplerOf(parameters.Sampler, parameters['Schedule type'])),
    seed: Number.isNaN(seed) ? current.seed : seed,
    width: width === undefined ? current.width : Number(width),
    height: height === undefined ? current.height : Number(height),
    numImages: numberIn(parameters['Batch size'], 1),
  };
}
