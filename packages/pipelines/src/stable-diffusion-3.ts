// Stable Diffusion 3 and 3.5 (Esser et al. 2024): diffusers' StableDiffusion3Pipeline.
import { type Folder, readJson } from '@emulsion/checkpoints';
import { classifierFreeGuidance, type Denoiser } from '@emulsion/guidance';
import { createScheduler } from '@emulsion/schedulers';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { loadSd3PromptEncoder } from '@emulsion/text-encoder';
import { type LoadOptions, loadSd3Transformer, type Sd3Transformer } from '@emulsion/transformer';
import { loadVae } from '@emulsion/vae';
import {
  type FlowCondition,
  type FlowOptions,
  type FlowParts,
  type FlowResult,
  paintFlow,
  promptsOf,
} from './flow-transformer.ts';

export interface StableDiffusion3Parts extends FlowParts {
  readonly transformer: Sd3Transformer;
}

export interface StableDiffusion3Options extends FlowOptions {
  /** What the picture is led away from; one for all prompts or one for each. */
  readonly negativePrompt?: string | readonly string[] | undefined;
  /** How closely the prompt is followed; 1 is off, 7 unless said otherwise. */
  readonly guidanceScale?: number | undefined;
  /** How many of CLIP's last layers are left out; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
}

/** Paints with Stable Diffusion 3. */
export interface StableDiffusion3Pipeline extends StableDiffusion3Parts {
  (options: StableDiffusion3Options): Promise<FlowResult>;
  /** Frees the model, but not the device. */
  dispose(): Promise<void>;
}

/**
 * Loads a model in diffusers layout.
 * @throws the errors of the parts' loaders
 */
export async function loadStableDiffusion3(
  model: Folder,
  options: LoadOptions,
): Promise<StableDiffusion3Pipeline> {
  const schedulerConfig = await readJson(model.subfolder('scheduler'), 'scheduler_config.json');
  // One that is not supported is refused now, not with the first picture.
  createScheduler(schedulerConfig);
  const transformer = await loadSd3Transformer(model.subfolder('transformer'), options);
  const { textFeatures } = transformer.config;
  const parts: StableDiffusion3Parts = {
    device: options.device,
    transformer,
    promptEncoder: await loadSd3PromptEncoder(model, { ...options, textFeatures }),
    vae: await loadVae(model.subfolder('vae'), options),
    schedulerConfig: schedulerConfig as FlowParts['schedulerConfig'], // an object, or it would have been refused
  };
  const painter = (request: StableDiffusion3Options) => stableDiffusion3(parts, request);
  const dispose = async () => {
    for (const part of [parts.transformer, parts.promptEncoder, parts.vae]) await part.dispose();
  };
  return Object.assign(painter, parts, { dispose });
}

/**
 * Paints pictures from prompts.
 * @throws {InvalidArgumentError} if there are not as many negative prompts as prompts, and the errors of the parts
 */
export async function stableDiffusion3(
  parts: StableDiffusion3Parts,
  options: StableDiffusion3Options,
): Promise<FlowResult> {
  const { device, promptEncoder, transformer } = parts;
  const { negativePrompt = '', guidanceScale = 7, signal } = options;
  const prompts = promptsOf(options.prompt);
  const away = promptsOf(negativePrompt);
  const negatives = away.length === 1 ? prompts.map(() => away[0]!) : away;
  if (negatives.length !== prompts.length) {
    throw new InvalidArgumentError(
      `negativePrompt: ${negatives.length} came for ${prompts.length} prompts. Give one for all or one for each.`,
    );
  }
  const positive = await promptEncoder.encode(prompts, options);
  // Without guidance nothing asks for it.
  const negative = guidanceScale === 1 ? positive : await promptEncoder.encode(negatives, options);
  const denoiser: Denoiser<FlowCondition> = async (evaluations) => {
    const outputs: Tensor[] = [];
    for (const { sample, timestep, condition } of evaluations) {
      const { promptEmbeds: encoderHiddenStates, pooledPromptEmbeds: pooledTextEmbeds } = condition;
      const inputs = { sample, timestep, encoderHiddenStates, pooledTextEmbeds };
      outputs.push(await transformer.predict(inputs, { signal }));
    }
    return outputs;
  };
  return paintFlow(parts, options, {
    denoiser: classifierFreeGuidance(denoiser, { guidanceScale, ops: device.ops }),
    condition: { positive, negative },
    pictures: prompts.length,
    patchSize: transformer.config.patchSize,
  });
}
