// How a recorded picture of a pipeline is made here and compared.
import type { Folder } from '@emulsion/checkpoints';
import { loadControlNet } from '@emulsion/controlnet';
import {
  loadPipeline,
  type PipelineRequest,
  paintAs,
  pipelineClasses,
  type StableDiffusionParts,
} from '@emulsion/pipelines';
import type { Device } from '@emulsion/runtime';
import { createScheduler, UnknownSchedulerError } from '@emulsion/schedulers';
import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import { loadPromptEncoder } from '@emulsion/text-encoder';
import { loadUnet } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { assertClose, type Tolerance } from './assert-close.ts';
import type { CaseJson, GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import type { Check } from './test-area.ts';
import { keepIn, type VisitedStep } from './visited-step.ts';

/** A case of a pipeline: its class, its arguments, those of them that are arrays `in.*`, and the scheduler's whole config. */
export interface PipelineCase extends CaseJson {
  readonly pipeline?: string;
  readonly call?: Readonly<Record<string, unknown>>;
  readonly tensor_inputs?: readonly string[];
  readonly scheduler?: Readonly<Record<string, unknown>>;
  readonly tolerance: Tolerance & { readonly image_atol?: number; readonly latents_atol?: number };
}

/** Where the case's model comes from: its folder, or a folder for each component. */
export type PipelineFolders = Folder | Readonly<Record<string, Folder>>;

/** Loads something once for all cases; a sentence, if its kind of model is not supported. */
export type LoadOnce = <Loaded extends object>(
  folder: Folder,
  load: (folder: Folder, options: { device: Device }) => Promise<Loaded>,
) => Promise<Loaded | string>;

/** Arguments of the recorded calls, by the names that they have here. */
const argumentNames: Readonly<Record<string, string>> = {
  prompt: 'prompt',
  negative_prompt: 'negativePrompt',
  num_inference_steps: 'numInferenceSteps',
  timesteps: 'timesteps',
  sigmas: 'sigmas',
  guidance_scale: 'guidanceScale',
  guidance_rescale: 'guidanceRescale',
  image_guidance_scale: 'imageGuidanceScale',
  gen_seed: 'seed',
  width: 'width',
  height: 'height',
  num_images_per_prompt: 'numImagesPerPrompt',
  eta: 'eta',
  clip_skip: 'clipSkip',
  strength: 'strength',
  original_size: 'originalSize',
  target_size: 'targetSize',
  crops_coords_top_left: 'cropsCoordsTopLeft',
  controlnet_conditioning_scale: 'controlnetConditioningScale',
  guess_mode: 'guessMode',
  control_guidance_start: 'controlGuidanceStart',
  control_guidance_end: 'controlGuidanceEnd',
};

/** Arguments that are recorded arrays, and how they are given here. */
const tensorArguments: Readonly<
  Record<string, readonly [name: string, read: (golden: GoldenCase<PipelineCase>) => Promise<Tensor>]>
> = {
  latents: ['latents', (golden) => golden.tensor('in.latents')],
  image: ['image', async (golden) => cpuOps.affine(await golden.tensor('in.image'), 1 / 255, 0)],
  mask_image: [
    'maskImage',
    async (golden) => cpuOps.affine(await golden.tensor('in.mask_image'), 1 / 255, 0),
  ],
};

/** The comparison with a recorded picture, or a sentence that says what is lacking for it. */
export async function pipelineCheck(
  golden: GoldenCase<PipelineCase>,
  folders: PipelineFolders,
  loadOnce: LoadOnce,
  device: Device,
): Promise<Check | string> {
  const { pipeline: className = '', call = {}, tensor_inputs = [], scheduler } = golden.json;
  const pipelineClass = pipelineClasses.get(className);
  if (!pipelineClass) return `there is no pipeline for ${className}`;
  const unknown = Object.keys(call).find((name) => !argumentNames[name]);
  if (unknown !== undefined) return `the pipeline has no argument for "${unknown}"`;
  const tensorInput = tensor_inputs.find((name) => !tensorArguments[name]);
  if (tensorInput !== undefined) return `the pipeline takes no tensor "${tensorInput}"`;
  const refusal = schedulerRefusal(scheduler);
  if (refusal !== undefined) return refusal;
  const parts = await partsOf(folders, loadOnce, device);
  if (typeof parts === 'string') return parts;
  return async () => {
    const steps: VisitedStep[] = [];
    const given = Object.entries(call).map(([name, value]) => [argumentNames[name]!, value] as const);
    const tensors: [string, Tensor][] = [];
    for (const input of tensor_inputs) {
      const [name, read] = tensorArguments[input]!;
      // What diffusers calls the image is what this pipeline follows.
      const followed = name === 'image' && className === 'StableDiffusionControlNetPipeline';
      tensors.push([followed ? 'controlImage' : name, await read(golden)]);
    }
    // Arguments of diffusers under their names here, each of the type that the option has.
    const options = Object.fromEntries([...given, ...tensors]) as unknown as PipelineRequest;
    const { pixels, latents } = await paintAs(pipelineClass, parts, {
      ...options,
      // As diffusers does.
      truncatePrompt: true,
      scheduler,
      onStep: keepIn(steps),
    });
    await compare(golden, steps, latents, pixels);
  };
}

async function partsOf(
  folders: PipelineFolders,
  loadOnce: LoadOnce,
  device: Device,
): Promise<StableDiffusionParts | string> {
  // What a folder opens, and not the table of several, reads files.
  if (typeof folders.read === 'function') {
    const pipeline = await loadOnce(folders as Folder, loadPipeline);
    return typeof pipeline === 'string' || 'unet' in pipeline ? pipeline : 'it has no U-Net';
  }
  const {
    unet: unetFolder,
    vae: vaeFolder,
    text_encoder: encoderFolder,
    controlnet: controlFolder,
  } = folders as Readonly<Record<string, Folder>>;
  if (!unetFolder || !vaeFolder || !encoderFolder) return 'its components are not those of Stable Diffusion';
  const unet = await loadOnce(unetFolder, loadUnet);
  const vae = await loadOnce(vaeFolder, loadVae);
  const promptEncoder = await loadOnce(encoderFolder, loadPromptEncoder);
  const controlNet = controlFolder && (await loadOnce(controlFolder, loadControlNet));
  for (const part of [unet, vae, promptEncoder, controlNet]) if (typeof part === 'string') return part;
  // Those that were refused were returned as their reasons.
  const parts = { device, unet, vae, promptEncoder, schedulerConfig: {} };
  return { ...parts, controlNets: controlNet ? [controlNet] : [] } as StableDiffusionParts;
}

async function compare(
  golden: GoldenCase<PipelineCase>,
  steps: readonly VisitedStep[],
  latents: Tensor,
  pixels: Tensor,
): Promise<void> {
  const { rtol, image_atol: imageAtol = 0, latents_atol: latentsAtol = 0 } = golden.json.tolerance;
  // All of the scheduler's; a picture from a picture starts in the middle.
  const all = await golden.tensor('timesteps');
  const visited = steps.map(({ timestep }) => timestep);
  assertClose(
    'timesteps',
    tensor(visited, [steps.length]),
    tensor(all.data.slice(-steps.length), [steps.length]),
    { atol: 1e-3, rtol: 0 },
  );
  const recorded = await golden.tensor('latents_after_step');
  for (const [step, { latents: actual }] of steps.entries()) {
    assertClose(`latents after step ${step}`, actual, unstack(recorded, step), { atol: latentsAtol, rtol });
  }
  assertClose('latents', latents, unstack(recorded, steps.length - 1), { atol: latentsAtol, rtol });
  assertClose('image', pixels, await golden.tensor('image'), { atol: imageAtol, rtol });
}

/** Why there is no scheduler for a config, if there is none. */
function schedulerRefusal(config: unknown): string | undefined {
  try {
    createScheduler(config);
    return undefined;
  } catch (error) {
    if (UnknownSchedulerError.is(error)) return error.message;
    throw error;
  }
}
