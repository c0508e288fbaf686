// From a sampler's name to a scheduler config, over the config that a model comes with.
import { schedulerClassNames } from './diffusers/scheduler-families.ts';
import { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
import { nearestNames } from './nearest-names.ts';
import { type SchedulerAlias, schedulerAliases, spacingAliases } from './scheduler-aliases.ts';

type Config = Readonly<Record<string, unknown>>;

/** Spellings are told apart by their letters and digits; "++" counts as "pp", as ComfyUI writes it. */
function spelling(name: string): string {
  return name
    .toLowerCase()
    .replaceAll('++', 'pp')
    .replace(/^sample_/, '')
    .replace(/[^a-z0-9]/g, '');
}

/** What a name sets in the config of most models, and of the others. */
interface Settings {
  readonly config: Config;
  readonly otherModels: Config;
}

const spellings = (aliases: readonly SchedulerAlias[]): ReadonlyMap<string, Settings> =>
  new Map(
    aliases.flatMap(({ name, aliases, config, otherModels = config }) =>
      [name, ...aliases].map((each) => [spelling(each), { config, otherModels }]),
    ),
  );

const samplers = spellings(schedulerAliases);
const spacings = spellings(spacingAliases);

/** What a name sets: a sampler's, and that of the spacing that it ends with. */
function settingsOf(name: string): Settings | undefined {
  const spelled = spelling(name);
  const className = schedulerClassNames.find((known) => spelling(known) === spelled);
  if (className) return { config: { _class_name: className }, otherModels: { _class_name: className } };
  const sampler = samplers.get(spelled);
  if (sampler) return sampler;
  for (const [spacing, { config }] of spacings) {
    if (!spelled.endsWith(spacing)) continue;
    const rest = samplers.get(spelled.slice(0, -spacing.length));
    if (rest)
      return { config: { ...rest.config, ...config }, otherModels: { ...rest.otherModels, ...config } };
  }
  return undefined;
}

/** Samplers of models that are rectified flows, by the class for other models. */
const flowClasses: Config = {
  EulerDiscreteScheduler: 'FlowMatchEulerDiscreteScheduler',
  EulerAncestralDiscreteScheduler: 'LTXEulerAncestralRFScheduler',
  HeunDiscreteScheduler: 'FlowMatchHeunDiscreteScheduler',
  LCMScheduler: 'FlowMatchLCMScheduler',
};

/** Classes that sample a flow when they are told that it is one. */
const flowSolvers = [
  'DPMSolverMultistepScheduler',
  'DPMSolverSinglestepScheduler',
  'UniPCMultistepScheduler',
  'DEISMultistepScheduler',
  'SASolverScheduler',
];

/** Samplers of models of Karras et al. (2022), by the class for other models. */
const edmClasses: Config = {
  EulerDiscreteScheduler: 'EDMEulerScheduler',
  DPMSolverMultistepScheduler: 'EDMDPMSolverMultistepScheduler',
};

/** The settings for the kind of model that the config belongs to. */
function settingsFor(name: string, { config: settings, otherModels }: Settings, config: Config): Config {
  const original = String(config._class_name ?? '');
  const isFlow = original.startsWith('Flow') || original.startsWith('LTX') || config.use_flow_sigmas === true;
  const isEdm = original.startsWith('EDM');
  if (!isFlow && !isEdm) return settings;
  const wanted = String(otherModels._class_name);
  if (wanted.startsWith(isFlow ? 'Flow' : 'EDM') || wanted === original) return otherModels;
  const instead = (isFlow ? flowClasses : edmClasses)[wanted];
  if (instead) {
    const shift = isFlow ? { shift: config.shift ?? config.flow_shift ?? 1 } : {};
    return { ...shift, ...otherModels, _class_name: instead };
  }
  if (isFlow && flowSolvers.includes(wanted)) {
    const flow = { use_flow_sigmas: true, prediction_type: 'flow_prediction' };
    return { ...otherModels, ...flow, flow_shift: config.flow_shift ?? config.shift ?? 1 };
  }
  throw new SchedulerConfigError(
    `scheduler "${name}" does not know how to sample a model of ${original}. Choose euler or dpm++2m, or leave the model's own.`,
    ['_class_name'],
  );
}

/**
 * The config of a named sampler for a model: the model's own, of which the betas, the prediction type and the like
 * stay, with the sampler's settings over it.
 * @param name a sampler's name as k-diffusion, A1111 or ComfyUI have it, which may end with a spacing ("DPM++ 2M
 * Karras"), or the name of a diffusers class
 * @param config the JSON of the model's scheduler_config.json
 * @throws {UnknownSchedulerError} if no sampler goes by this name, with the nearest that there are
 * @throws {SchedulerConfigError} if the sampler can't be used with the model
 */
export function resolveScheduler(name: string, config: Config = {}): Record<string, unknown> {
  const settings = settingsOf(name);
  if (!settings) {
    const names = schedulerAliases.flatMap((alias) => [alias.name, ...alias.aliases]);
    const withSpacing = schedulerAliases.flatMap((alias) =>
      spacingAliases.map((each) => `${alias.name}_${each.name}`),
    );
    const nearest = nearestNames(name, [...names, ...withSpacing, ...schedulerClassNames]);
    throw new UnknownSchedulerError(
      `scheduler "${name}" is not known. The nearest names are ${nearest.join(', ')}.`,
      nearest,
    );
  }
  return { ...config, ...settingsFor(name, settings, config) };
}
