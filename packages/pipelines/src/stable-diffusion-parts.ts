// What a Stable Diffusion pipeline is composed of (Rombach et al. 2022).
import type { Device } from '@emulsion/runtime';
import type { PromptEncoder } from '@emulsion/text-encoder';
import type { Unet } from '@emulsion/unet';
import type { Vae } from '@emulsion/vae';

export interface StableDiffusionParts {
  readonly device: Device;
  readonly promptEncoder: PromptEncoder;
  readonly unet: Unet;
  readonly vae: Vae;
  /** The JSON of the model's scheduler_config.json. */
  readonly schedulerConfig: Readonly<Record<string, unknown>>;
}
