// What a Stable Diffusion pipeline is composed of (Rombach et al. 2022), an XL one (Podell et al. 2023) included.
import type { ControlNet } from '@emulsion/controlnet';
import type { Device } from '@emulsion/runtime';
import type { T2iAdapter } from '@emulsion/t2i-adapter';
import type { PromptEncoder, SdxlPromptEncoder } from '@emulsion/text-encoder';
import type { Unet } from '@emulsion/unet';
import type { Vae } from '@emulsion/vae';
import type { Adapters } from './adapters.ts';
import type { PipelineMemory } from './memory.ts';
import type { PictureAdapter } from './picture-prompts.ts';

export interface StableDiffusionParts {
  readonly device: Device;
  /** One encoder, or the two of XL. */
  readonly promptEncoder: PromptEncoder | SdxlPromptEncoder;
  readonly unet: Unet;
  readonly vae: Vae;
  /** What changes the networks, nothing unless given. */
  readonly adapters?: Adapters | undefined;
  /** What makes it follow pictures, none unless given. */
  readonly controlNets?: readonly ControlNet[] | undefined;
  /** What else makes it follow pictures, none unless given. */
  readonly t2iAdapters?: readonly T2iAdapter[] | undefined;
  /** What makes prompts of pictures, none unless given. */
  readonly ipAdapters?: readonly PictureAdapter[] | undefined;
  /** A tiny autoencoder for previews. */
  readonly previewVae?: Vae | undefined;
  /** What keeps them within their memory; without it all that is loaded stays. */
  readonly memory?: PipelineMemory | undefined;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
  /** Whether the model was trained with zeros where there is no prompt: XL's are. */
  readonly forceZerosForEmptyPrompt?: boolean | undefined;
  /** Whether the network is told how beautiful a picture is instead of its target size: XL's refiner is. */
  readonly requiresAestheticsScore?: boolean | undefined;
  /** Of an InstructPix2Pix model: whether it sees pictures' latents scaled, as CosXL's does. */
  readonly scalesShownPicture?: boolean | undefined;
  /** Of an upscaler: how noise is put on the small picture. */
  readonly lowResolution?: LowResolution | undefined;
}

/** How noise is put on a picture that is to be enlarged. */
export interface LowResolution {
  /** The JSON of the scheduler_config.json in the folder `low_res_scheduler`. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
  /** The most noise that the model was trained with, a timestep of that scheduler. */
  readonly maxNoiseLevel: number;
}
