// Stable Diffusion 3 and Flux in one file, as their authors publish them, with the encoders and the autoencoder or without.
import type { Weights } from '../weight.ts';
import { convertClip } from './clip.ts';
import { type ConvertedComponent, withoutPrefix } from './converted-component.ts';
import { convertFluxTransformer, fluxMark } from './flux-transformer.ts';
import { convertVae } from './ldm-vae.ts';
import { fluxScheduler, sd3Scheduler } from './scheduler-config.ts';
import { convertSd3Transformer, sd3Mark } from './sd3-transformer.ts';
import { hasPrefix, type ModelFile, type SingleFileModel } from './single-file-model.ts';
import { convertT5 } from './t5.ts';

/** What stands before the names of the transformer: nothing in a file that holds nothing else. */
const transformerPrefixes = ['model.diffusion_model.', ''];
const vaePrefixes = ['first_stage_model.', 'vae.'];
const encoders = {
  clipL: 'text_encoders.clip_l.transformer.',
  clipG: 'text_encoders.clip_g.transformer.',
  t5: 'text_encoders.t5xxl.transformer.',
} as const;

/** The model in a file, if it is one with a transformer. */
export function readTransformerFile({ folder, weights }: ModelFile): SingleFileModel | undefined {
  const found = (mark: string) => transformerPrefixes.find((prefix) => weights.has(prefix + mark));
  const sd3 = found(sd3Mark);
  if (sd3 !== undefined) {
    const names = withProjection({ activation: 'quick_gelu' });
    const components = present({
      transformer: convertSd3Transformer(folder, withoutPrefix(weights, sd3)),
      vae: vaeOf(weights, 1.5305, 0.0609),
      text_encoder: encoderOf(weights, encoders.clipL, (own) => convertClip(own, names)),
      text_encoder_2: encoderOf(weights, encoders.clipG, (own) =>
        convertClip(own, withProjection({ activation: 'gelu' })),
      ),
      text_encoder_3: encoderOf(weights, encoders.t5, convertT5),
    });
    return {
      className: 'StableDiffusion3Pipeline',
      components,
      missing: lacking(components, ['vae', 'text_encoder', 'text_encoder_2']),
      optional: lacking(components, ['text_encoder_3']),
      tokenizers: [
        ['tokenizer', '<|endoftext|>'],
        ['tokenizer_2', '!'],
        ['tokenizer_3', 't5'],
      ],
      schedulers: { scheduler: sd3Scheduler },
      options: {},
    };
  }
  const flux = found(fluxMark);
  if (flux === undefined) return undefined;
  const transformer = convertFluxTransformer(folder, withoutPrefix(weights, flux));
  const components = present({
    transformer,
    vae: vaeOf(weights, 0.3611, 0.1159),
    text_encoder: encoderOf(weights, encoders.clipL, (own) => convertClip(own)),
    text_encoder_2: encoderOf(weights, encoders.t5, convertT5),
  });
  return {
    className: 'FluxPipeline',
    components,
    missing: lacking(components, ['vae', 'text_encoder', 'text_encoder_2']),
    optional: [],
    tokenizers: [
      ['tokenizer', '<|endoftext|>'],
      ['tokenizer_2', 't5'],
    ],
    schedulers: { scheduler: fluxScheduler(transformer.measured.guidance_embeds === true) },
    options: {},
  };
}

const withProjection = <Settings extends object>(settings: Settings) => ({
  ...settings,
  className: 'CLIPTextModelWithProjection',
});

function encoderOf(
  weights: Weights,
  prefix: string,
  convert: (own: Weights) => ConvertedComponent,
): ConvertedComponent | undefined {
  return hasPrefix(weights, prefix) ? convert(withoutPrefix(weights, prefix)) : undefined;
}

function vaeOf(weights: Weights, scalingFactor: number, shiftFactor: number): ConvertedComponent | undefined {
  const prefix = vaePrefixes.find((start) => hasPrefix(weights, `${start}decoder.`));
  return prefix === undefined
    ? undefined
    : convertVae(withoutPrefix(weights, prefix), scalingFactor, shiftFactor);
}

/** The components that there are. */
const present = (components: Readonly<Record<string, ConvertedComponent | undefined>>) =>
  Object.fromEntries(
    Object.entries(components).filter(
      (entry): entry is [string, ConvertedComponent] => entry[1] !== undefined,
    ),
  );

const lacking = (components: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  names.filter((name) => !(name in components));
