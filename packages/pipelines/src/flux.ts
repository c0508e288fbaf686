// Flux (Black Forest Labs 2024): diffusers' FluxPipeline.
import type { Folder } from '@emulsion/checkpoints';
import { assertScale, classifierFreeGuidance, type Denoiser } from '@emulsion/guidance';
import type { Workspace } from '@emulsion/runtime';
import { InvalidArgumentError, type Tensor } from '@emulsion/tensor';
import { loadFluxPromptEncoder, type TransformerPromptEmbeds } from '@emulsion/text-encoder';
import {
  type FluxTransformer,
  type LoadOptions,
  loadFluxTransformer,
  packLatents,
  patchPositions,
  unpackLatents,
} from '@emulsion/transformer';
import { loadVae } from '@emulsion/vae';
import { encodeTexts, type FlowOptions, type FlowParts, paintFlow } from './flow-transformer.ts';
import { justLoad, readSchedulerConfig } from './load-part.ts';
import type { PaintResult } from './paint-options.ts';
import { listOf } from './paint-request.ts';
import { stepProgress } from './step-progress.ts';
import type { UnetDenoiserOptions } from './unet-denoiser.ts';

export interface FluxParts extends FlowParts {
  readonly transformer: FluxTransformer;
}

export interface FluxOptions extends FlowOptions {
  /**
   * How much the pictures are led away from `negativePrompt`; 1, which is off, unless said otherwise. It costs a second
   * evaluation in each step; `guidanceScale` is an input of the network.
   */
  readonly trueCfgScale?: number | undefined;
}

/**
 * Loads the parts of a model in diffusers layout.
 * @throws the errors of the parts' loaders
 */
export async function loadFlux(model: Folder, options: LoadOptions, part = justLoad): Promise<FluxParts> {
  return {
    device: options.device,
    schedulerConfig: await readSchedulerConfig(model),
    promptEncoder: await part('text_encoder', () => loadFluxPromptEncoder(model, options)),
    vae: await part('vae', () => loadVae(model.subfolder('vae'), options)),
    transformer: await part('transformer', () =>
      loadFluxTransformer(model.subfolder('transformer'), options),
    ),
  };
}

/** Pixels of latents along a side of a token, and of a picture; the configuration says nothing of either. */
const patchSize = 2;
const sampleSize = 128;

/**
 * Paints pictures from prompts, or over a picture. `guidanceScale`, 3.5 unless said otherwise, is an input of models that
 * were distilled with it; others have none, and paint in 4 steps.
 * @throws {InvalidArgumentError} if there are other negative prompts than one or one for each prompt, and the errors of
 * `paintFlow`
 */
export async function flux(parts: FluxParts, options: FluxOptions): Promise<PaintResult> {
  const { transformer } = parts;
  const { guidanceScale = 3.5, trueCfgScale = 1, negativePrompt, signal } = options;
  const { numInferenceSteps = transformer.config.guidance ? 28 : 4 } = options;
  const { maxSequenceLength, truncatePrompt } = options;
  const encoding = { maxSequenceLength, truncatePrompt, signal };
  assertScale('guidanceScale', guidanceScale, 3.5);
  assertScale('trueCfgScale', trueCfgScale, 4);
  const led = negativePrompt !== undefined && trueCfgScale > 1;
  assertLed(options, led);
  return paintFlow(parts, options, {
    patchSize,
    sampleSize,
    // From 1 in equal steps; the scheduler adds the 0.
    sigmas: Array.from({ length: numInferenceSteps }, (_, i) => 1 - i / numInferenceSteps),
    async subject(request) {
      const texts = [request.prompts, options.prompt2, undefined] as const;
      const positive = await encodeTexts(parts, 'prompt', texts, request, encoding);
      const away = [listOf(negativePrompt ?? ''), options.negativePrompt2, undefined] as const;
      const negative = led ? await encodeTexts(parts, 'negativePrompt', away, request, encoding) : positive;
      const scale = led ? trueCfgScale : 1;
      const totalSteps = request.plan.timesteps.length;
      return {
        denoiserIn: (workspace) =>
          classifierFreeGuidance(
            transformerDenoiser(transformer, guidanceScale, workspace, { signal, totalSteps }),
            {
              guidanceScale: scale,
              ops: workspace.ops,
            },
          ),
        condition: { positive, negative },
      };
    },
  });
}

/** @throws {InvalidArgumentError} if there is but one of the two that lead away from something together */
function assertLed({ negativePrompt, negativePrompt2, trueCfgScale = 1 }: FluxOptions, led: boolean): void {
  if (led) return;
  if ([negativePrompt, negativePrompt2].flat().some((text) => text !== undefined && text !== '')) {
    throw new InvalidArgumentError(
      'negativePrompt: Flux reads it with a trueCfgScale above 1 only. Give one, or leave it out.',
    );
  }
  if (trueCfgScale > 1) {
    throw new InvalidArgumentError(
      'trueCfgScale: there is no negativePrompt to be led away from. Give one; it may be empty.',
    );
  }
}

/** The transformer as a denoiser of latents whose conditions are texts. */
const transformerDenoiser = (
  transformer: FluxTransformer,
  guidanceScale: number,
  workspace: Workspace,
  { signal, totalSteps }: UnetDenoiserOptions,
): Denoiser<TransformerPromptEmbeds> => {
  const progressAt = stepProgress(totalSteps);
  return async (evaluations) => {
    const outputs: Tensor[] = [];
    for (const { step, sample, timestep, condition } of evaluations) {
      const [, , height = 0, width = 0] = sample.dims;
      const inputs = {
        // On the host: tokens are made and taken apart there.
        sample: packLatents(await workspace.read(sample)),
        timestep: timestep / 1000,
        guidance: transformer.config.guidance ? guidanceScale : undefined,
        encoderHiddenStates: condition.promptEmbeds,
        pooledTextEmbeds: condition.pooledPromptEmbeds,
        positions: patchPositions(height, width),
        progress: progressAt(step),
      };
      outputs.push(unpackLatents(await transformer.predict(inputs, { signal }), height, width));
    }
    return outputs;
  };
};
