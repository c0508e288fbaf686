// Stable Diffusion 3 and 3.5 (Esser et al. 2024): diffusers' StableDiffusion3Pipeline.
import type { Folder } from '@emulsion/checkpoints';
import { classifierFreeGuidance, type Denoiser } from '@emulsion/guidance';
import type { Workspace } from '@emulsion/runtime';
import type { Tensor } from '@emulsion/tensor';
import { loadSd3PromptEncoder, type TransformerPromptEmbeds } from '@emulsion/text-encoder';
import { type LoadOptions, loadSd3Transformer, type Sd3Transformer } from '@emulsion/transformer';
import { loadVae } from '@emulsion/vae';
import { encodeTexts, type FlowOptions, type FlowParts, paintFlow } from './flow-transformer.ts';
import { justLoad, readSchedulerConfig } from './load-part.ts';
import type { PaintResult } from './paint-options.ts';
import { listOf } from './paint-request.ts';
import { stepProgress } from './step-progress.ts';
import type { UnetDenoiserOptions } from './unet-denoiser.ts';

export interface StableDiffusion3Parts extends FlowParts {
  readonly transformer: Sd3Transformer;
}

export interface StableDiffusion3Options extends FlowOptions {
  /** What T5 reads instead of `prompt` and `negativePrompt`. */
  readonly prompt3?: string | readonly string[] | undefined;
  readonly negativePrompt3?: string | readonly string[] | undefined;
  /** How many of CLIP's last layers are left out for the prompt, not for the negative one; 0 unless said otherwise. */
  readonly clipSkip?: number | undefined;
}

/**
 * Loads the parts of a model in diffusers layout.
 * @throws the errors of the parts' loaders
 */
export async function loadStableDiffusion3(
  model: Folder,
  options: LoadOptions,
  part = justLoad,
): Promise<StableDiffusion3Parts> {
  const schedulerConfig = await readSchedulerConfig(model);
  const transformer = await part('transformer', () =>
    loadSd3Transformer(model.subfolder('transformer'), options),
  );
  const { textFeatures } = transformer.config;
  return {
    device: options.device,
    transformer,
    promptEncoder: await part('text_encoder', () =>
      loadSd3PromptEncoder(model, { ...options, textFeatures }),
    ),
    vae: await part('vae', () => loadVae(model.subfolder('vae'), options)),
    schedulerConfig,
  };
}

/**
 * Paints pictures from prompts, or over a picture. The guidance scale is 7 unless said otherwise.
 * @throws {InvalidArgumentError} if there are other negative prompts than one or one for each prompt, and the errors of
 * `paintFlow`
 */
export async function stableDiffusion3(
  parts: StableDiffusion3Parts,
  options: StableDiffusion3Options,
): Promise<PaintResult> {
  const { transformer } = parts;
  const { maxSequenceLength, clipSkip, truncatePrompt, signal } = options;
  const guidanceScale = Math.max(options.guidanceScale ?? 7, 1);
  const encoding = { maxSequenceLength, truncatePrompt, signal };
  return paintFlow(parts, options, {
    patchSize: transformer.config.patchSize,
    sampleSize: transformer.config.sampleSize,
    async subject(request) {
      const texts = [request.prompts, options.prompt2, options.prompt3] as const;
      const positive = await encodeTexts(parts, 'prompt', texts, request, { ...encoding, clipSkip });
      const { negativePrompt = '', negativePrompt2, negativePrompt3 } = options;
      const away = [listOf(negativePrompt), negativePrompt2, negativePrompt3] as const;
      // Without guidance nothing asks for it.
      const negative =
        guidanceScale === 1 ? positive : await encodeTexts(parts, 'negativePrompt', away, request, encoding);
      const totalSteps = request.plan.timesteps.length;
      return {
        denoiserIn: (workspace) =>
          classifierFreeGuidance(transformerDenoiser(transformer, workspace, { signal, totalSteps }), {
            guidanceScale,
            ops: workspace.ops,
          }),
        condition: { positive, negative },
      };
    },
  });
}

/** The transformer as a denoiser whose conditions are texts. */
const transformerDenoiser = (
  transformer: Sd3Transformer,
  workspace: Workspace,
  { signal, totalSteps }: UnetDenoiserOptions,
): Denoiser<TransformerPromptEmbeds> => {
  const progressAt = stepProgress(totalSteps);
  return async (evaluations) => {
    const outputs: Tensor[] = [];
    for (const { step, sample, timestep, condition } of evaluations) {
      const { promptEmbeds: encoderHiddenStates, pooledPromptEmbeds: pooledTextEmbeds } = condition;
      const inputs = { sample, timestep, encoderHiddenStates, pooledTextEmbeds, progress: progressAt(step) };
      outputs.push(await transformer.predict(inputs, { signal, workspace }));
    }
    return outputs;
  };
};
