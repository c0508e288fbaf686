// Flux (Black Forest Labs 2024): diffusers' FluxPipeline.
import { type Folder, readJson } from '@emulsion/checkpoints';
import type { Denoiser } from '@emulsion/guidance';
import { createScheduler } from '@emulsion/schedulers';
import type { Tensor } from '@emulsion/tensor';
import { loadFluxPromptEncoder } from '@emulsion/text-encoder';
import {
  type FluxTransformer,
  type LoadOptions,
  loadFluxTransformer,
  packLatents,
  patchPositions,
  unpackLatents,
} from '@emulsion/transformer';
import { loadVae } from '@emulsion/vae';
import {
  type FlowCondition,
  type FlowOptions,
  type FlowParts,
  type FlowResult,
  paintFlow,
  promptsOf,
} from './flow-transformer.ts';

export interface FluxParts extends FlowParts {
  readonly transformer: FluxTransformer;
}

/** Paints with Flux. */
export interface FluxPipeline extends FluxParts {
  /** `guidanceScale`, 3.5 unless said otherwise, is an input of models that were distilled with it; others have none. */
  (options: FlowOptions): Promise<FlowResult>;
  /** Frees the model, but not the device. */
  dispose(): Promise<void>;
}

/**
 * Loads a model in diffusers layout.
 * @throws the errors of the parts' loaders
 */
export async function loadFlux(model: Folder, options: LoadOptions): Promise<FluxPipeline> {
  const schedulerConfig = await readJson(model.subfolder('scheduler'), 'scheduler_config.json');
  // One that is not supported is refused now, not with the first picture.
  createScheduler(schedulerConfig);
  const parts: FluxParts = {
    device: options.device,
    transformer: await loadFluxTransformer(model.subfolder('transformer'), options),
    promptEncoder: await loadFluxPromptEncoder(model, options),
    vae: await loadVae(model.subfolder('vae'), options),
    schedulerConfig: schedulerConfig as FlowParts['schedulerConfig'], // an object, or it would have been refused
  };
  const painter = (request: FlowOptions) => flux(parts, request);
  const dispose = async () => {
    for (const part of [parts.transformer, parts.promptEncoder, parts.vae]) await part.dispose();
  };
  return Object.assign(painter, parts, { dispose });
}

/** Pixels of latents along a side of a token. */
const patchSize = 2;

/** Paints pictures from prompts. @throws the errors of the parts */
export async function flux(parts: FluxParts, options: FlowOptions): Promise<FlowResult> {
  const { promptEncoder, transformer } = parts;
  const { numInferenceSteps = 28, guidanceScale = 3.5, signal } = options;
  const prompts = promptsOf(options.prompt);
  const denoiser: Denoiser<FlowCondition> = async (evaluations) => {
    const outputs: Tensor[] = [];
    for (const { sample, timestep, condition } of evaluations) {
      const [, , height = 0, width = 0] = sample.dims;
      const inputs = {
        sample: packLatents(sample),
        timestep: timestep / 1000,
        guidance: transformer.config.guidance ? guidanceScale : undefined,
        encoderHiddenStates: condition.promptEmbeds,
        pooledTextEmbeds: condition.pooledPromptEmbeds,
        positions: patchPositions(height, width),
      };
      outputs.push(unpackLatents(await transformer.predict(inputs, { signal }), height, width));
    }
    return outputs;
  };
  return paintFlow(parts, options, {
    denoiser,
    condition: await promptEncoder.encode(prompts, options),
    pictures: prompts.length,
    patchSize,
    // From 1 in equal steps; the scheduler adds the 0.
    sigmas: Array.from({ length: numInferenceSteps }, (_, i) => 1 - i / numInferenceSteps),
  });
}
