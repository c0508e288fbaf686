// The messages between a pipeline in a worker and its client. Each pipeline has a port of its own.
import type { RgbImage } from '@emulsion/image';
import type { Tensor } from '@emulsion/tensor';
import type { FluxTransformer, Sd3Transformer } from '@emulsion/transformer';
import type { Unet } from '@emulsion/unet';
import type { LoadEvent, Pipeline } from '../load-pipeline.ts';
import type { MemoryPlan, PlannedPictures } from '../memory-plan.ts';
import type { PaintResult } from '../paint-options.ts';
import type { StepEvent } from '../run-sampler.ts';
import type { WireError } from './wire-error.ts';
import type { AdapterAnswer, AdapterRequest } from './worker-adapters.ts';

/** What of a pipeline is data. */
export interface PipelineDescription {
  readonly device: Pick<Pipeline['device'], 'kind' | 'dialect' | 'notes'>;
  /** The network: a U-Net or a transformer. */
  readonly unet?: Pick<Unet, 'config' | 'unusedWeights'>;
  readonly transformer?: Pick<Sd3Transformer | FluxTransformer, 'config' | 'unusedWeights'>;
  readonly vae: Pick<Pipeline['vae'], 'config'>;
  readonly schedulerConfig: Pipeline['schedulerConfig'];
  readonly defaults: Pipeline['defaults'];
  readonly notes: readonly string[];
}

/** The one message to the worker itself: a port, over which a pipeline is to be loaded and used. */
export interface OpenMessage {
  readonly type: 'emulsion:open';
  readonly port: MessagePort;
}

/** What of a step is asked for by itself. */
export const stepQuestions = ['preview', 'latents'] as const;
export type StepQuestion = (typeof stepQuestions)[number];

/** The number of the call that loads the pipeline; later ones count up from it. */
export const loadCall = 0;

/** To the worker. Each call has a number; the other messages say by it which call they are about. */
export type ClientMessage =
  | { readonly type: 'load'; readonly call: number; readonly source: unknown; readonly options: object }
  | { readonly type: 'paint'; readonly call: number; readonly request: object }
  | { readonly type: 'plan'; readonly call: number; readonly pictures: Partial<PlannedPictures> | undefined }
  | { readonly type: 'adapters'; readonly call: number; readonly request: AdapterRequest }
  | { readonly type: 'dispose'; readonly call: number }
  | { readonly type: 'abort'; readonly call: number }
  /** What the step is to look like, or its latents, asked while the worker waits with it. */
  | { readonly type: 'ask'; readonly call: number; readonly what: StepQuestion }
  /** The step was dealt with. */
  | { readonly type: 'continue'; readonly call: number };

/** From the worker. With a step it waits until it is told to continue. */
export type WorkerMessage =
  | { readonly type: 'progress'; readonly call: number; readonly event: LoadEvent }
  | { readonly type: 'step'; readonly call: number; readonly event: Omit<StepEvent, StepQuestion> }
  | {
      readonly type: 'answer';
      readonly call: number;
      readonly what: StepQuestion;
      readonly outcome: Outcome<RgbImage[] | Tensor>;
    }
  | {
      readonly type: 'done';
      readonly call: number;
      readonly outcome: Outcome<PipelineDescription | PaintResult | MemoryPlan | AdapterAnswer | undefined>;
    };

/** How something ended. */
export type Outcome<Value> = { readonly value: Value } | { readonly error: WireError };
