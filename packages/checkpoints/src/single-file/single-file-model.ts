// What a whole model in one file holds, in the terms of a model_index.json.
import type { Folder } from '../folder.ts';
import type { Weights } from '../weight.ts';
import type { ConvertedComponent } from './converted-component.ts';
import type { PredictionType } from './scheduler-config.ts';

/** A tokenizer, by the name of its folder, and the token that it fills a text up with; T5's is not CLIP's. */
export type TokenizerEntry = readonly [name: string, padToken: string | 't5'];

/** The weights of a file, and what else is known of it. */
export interface ModelFile {
  readonly folder: Folder;
  readonly path: string;
  readonly weights: Weights;
  /** What a U-Net predicts, where the file or the caller tells. */
  readonly predictionType: PredictionType | undefined;
}

/** A model in the terms of diffusers. */
export interface SingleFileModel {
  readonly className: string;
  /** What the file holds. */
  readonly components: Readonly<Record<string, ConvertedComponent>>;
  /** What the file lacks and the model needs. */
  readonly missing: readonly string[];
  /** What the model may have, and does without if the configuration has none. */
  readonly optional: readonly string[];
  readonly tokenizers: readonly TokenizerEntry[];
  /** The JSON of scheduler_config.json, by the folder of each. */
  readonly schedulers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The other settings of model_index.json. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Whether a name of a file's weights begins so. */
export const hasPrefix = (weights: Weights, prefix: string): boolean =>
  [...weights.keys()].some((name) => name.startsWith(prefix));
