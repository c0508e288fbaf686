// What is kept of a sampler's steps, to be compared with what was recorded of them.
import type { StepEvent } from '@emulsion/pipelines';
import type { Tensor } from '@emulsion/tensor';

export interface VisitedStep {
  readonly timestep: number;
  readonly latents: Tensor;
}

/** A listener that puts the steps into a list. */
export const keepIn =
  (steps: VisitedStep[]) =>
  async ({ timestep, latents }: StepEvent): Promise<void> => {
    steps.push({ timestep, latents: await latents() });
  };
