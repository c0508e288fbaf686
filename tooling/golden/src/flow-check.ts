// How a recorded picture of Stable Diffusion 3 or Flux is made here and compared.
import type { Folder } from '@emulsion/checkpoints';
import { loadPipeline, type StableDiffusion3Options, type TransformerRequest } from '@emulsion/pipelines';
import { type Tensor, tensor } from '@emulsion/tensor';
import { packLatents, unpackLatents } from '@emulsion/transformer';
import { assertClose } from './assert-close.ts';
import type { GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import type { LoadOnce, PipelineCase } from './pipeline-check.ts';
import type { Check } from './test-area.ts';
import { keepIn, type VisitedStep } from './visited-step.ts';

/** The classes of such pipelines. */
export const flowClasses: readonly string[] = ['StableDiffusion3Pipeline', 'FluxPipeline'];

/** Arguments of the recorded calls, by the names that they have here. */
const argumentNames: Readonly<Record<string, keyof StableDiffusion3Options>> = {
  prompt: 'prompt',
  negative_prompt: 'negativePrompt',
  num_inference_steps: 'numInferenceSteps',
  guidance_scale: 'guidanceScale',
  max_sequence_length: 'maxSequenceLength',
  width: 'width',
  height: 'height',
};

/** The comparison with a recorded picture, or a sentence that says what is lacking for it. */
export async function flowCheck(
  golden: GoldenCase<PipelineCase>,
  model: Folder,
  loadOnce: LoadOnce,
): Promise<Check | string> {
  const { pipeline: className, call = {}, scheduler, tolerance } = golden.json;
  const unknown = Object.keys(call).find((name) => !argumentNames[name]);
  if (unknown !== undefined) return `the pipeline has no argument for "${unknown}"`;
  const isFlux = className === 'FluxPipeline';
  const pipeline = await loadOnce(model, loadPipeline);
  if (typeof pipeline === 'string') return pipeline;
  // Flux's latents are recorded as tokens.
  const recorded = (latents: Tensor) => (isFlux ? packLatents(latents) : latents);
  return async () => {
    // Arguments of diffusers under their names here, each of the type that the option has.
    const options = Object.fromEntries(
      Object.entries(call).map(([name, value]) => [argumentNames[name]!, value]),
    ) as unknown as TransformerRequest & { readonly width: number; readonly height: number };
    const start = await golden.tensor('in.latents');
    const steps: VisitedStep[] = [];
    const { pixels, latents } = await pipeline({
      ...options,
      scheduler,
      latents: isFlux ? unpackLatents(start, options.height / 8, options.width / 8) : start,
      onStep: keepIn(steps),
    });
    const visited = steps.map(({ timestep }) => timestep);
    const timesteps = await golden.tensor('timesteps');
    assertClose('timesteps', tensor(visited, [steps.length]), timesteps, { atol: 1e-3, rtol: 0 });
    const { rtol, image_atol: imageAtol = 0, latents_atol: atol = 0 } = tolerance;
    const after = await golden.tensor('latents_after_step');
    for (const [step, event] of steps.entries())
      assertClose(`latents after step ${step}`, recorded(event.latents), unstack(after, step), {
        atol,
        rtol,
      });
    assertClose('latents', recorded(latents), unstack(after, steps.length - 1), { atol, rtol });
    assertClose('image', pixels, await golden.tensor('image'), { atol: imageAtol, rtol });
  };
}
