// How a recorded picture of a pipeline without prompts is made here and compared.
import { loadUnconditional } from '@emulsion/pipelines';
import { type Tensor, tensor } from '@emulsion/tensor';
import { assertClose } from './assert-close.ts';
import type { GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import type { LoadOnce, PipelineCase } from './pipeline-check.ts';
import type { Check } from './test-area.ts';
import { keepIn, type VisitedStep } from './visited-step.ts';

/** The classes of such pipelines. */
export const unconditionalClasses: readonly string[] = [
  'DDPMPipeline',
  'DDIMPipeline',
  'ConsistencyModelPipeline',
];

/** Arguments of the recorded calls, by the names that they have here. */
const argumentNames: Readonly<Record<string, string>> = {
  batch_size: 'batchSize',
  num_inference_steps: 'numInferenceSteps',
  timesteps: 'timesteps',
  eta: 'eta',
  gen_seed: 'seed',
};

/** The comparison with a recorded picture, or a sentence that says what is lacking for it. */
export async function unconditionalCheck(
  golden: GoldenCase<PipelineCase>,
  model: Parameters<typeof loadUnconditional>[0],
  loadOnce: LoadOnce,
): Promise<Check | string> {
  const { call = {}, tensor_inputs = [], scheduler, tolerance } = golden.json;
  const unknown = Object.keys(call).find((name) => !argumentNames[name]);
  if (unknown !== undefined) return `the pipeline has no argument for "${unknown}"`;
  const pipeline = await loadOnce(model, loadUnconditional);
  if (typeof pipeline === 'string') return pipeline;
  return async () => {
    const given = Object.entries(call).filter(([, value]) => value !== null);
    const options = Object.fromEntries(given.map(([name, value]) => [argumentNames[name]!, value]));
    const steps: VisitedStep[] = [];
    const { pixels } = await pipeline({
      ...options,
      scheduler,
      ...(tensor_inputs.includes('latents') && { latents: await golden.tensor('in.latents') }),
      onStep: keepIn(steps),
    });
    const visited = steps.map(({ timestep }) => timestep);
    const timesteps = await golden.tensor('timesteps');
    assertClose('timesteps', tensor(visited, [steps.length]), timesteps, { atol: 1e-3, rtol: 0 });
    const { rtol, image_atol: imageAtol = 0, latents_atol: atol = 0 } = tolerance;
    if (await golden.has('latents_after_step')) {
      const recorded = await golden.tensor('latents_after_step');
      for (const [step, { latents }] of steps.entries())
        assertClose(`latents after step ${step}`, latents, unstack(recorded, step), { atol, rtol });
    }
    const image = (await golden.has('image_nhwc'))
      ? channelsFirst(await golden.tensor('image_nhwc'))
      : await golden.tensor('image');
    assertClose('image', pixels, image, { atol: imageAtol, rtol });
  };
}

/** `[batch, height, width, channels]` as `[batch, channels, height, width]`. */
function channelsFirst({ data, dims: [batch = 0, height = 0, width = 0, channels = 0] }: Tensor): Tensor {
  const size = height * width;
  const first = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [pixel, channel] = [Math.floor(i / channels), i % channels];
    const [row, place] = [Math.floor(pixel / size), pixel % size];
    first[(row * channels + channel) * size + place] = data[i]!;
  }
  return tensor(first, [batch, channels, height, width]);
}
