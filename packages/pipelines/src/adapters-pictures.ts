// The adapters of a pipeline that read pictures: ControlNets, T2I-Adapters and IP-Adapters.
import type { ControlNet } from '@emulsion/controlnet';
import type { T2iAdapter } from '@emulsion/t2i-adapter';
import { cpuOps } from '@emulsion/tensor';
import type { PictureAdapter } from './picture-prompts.ts';
import type { StableDiffusionParts } from './stable-diffusion-parts.ts';

/** What adapters that read pictures are called. */
export type PictureReaderKind = 'controlnet' | 't2i-adapter' | 'ip-adapter';

/** An adapter that reads pictures, as its file gives it. */
export type PictureReader =
  | { readonly kind: 'controlnet'; readonly controlNet: ControlNet }
  | { readonly kind: 't2i-adapter'; readonly t2iAdapter: T2iAdapter }
  | { readonly kind: 'ip-adapter'; readonly ipAdapter: PictureAdapter };

/** What of a pipeline reads pictures. */
export type PictureReaders = Pick<StableDiffusionParts, 'controlNets' | 't2iAdapters' | 'ipAdapters'>;

/** One, and how strong it is. */
export interface WeightedPictureReader {
  readonly reader: PictureReader;
  readonly strength: () => number;
}

/** Keeps the pictures that a pipeline reads in step with its adapters; what was loaded with the model stays. */
export class AdapterPictures {
  readonly #lists: {
    readonly controlNets: ControlNet[];
    readonly t2iAdapters: T2iAdapter[];
    readonly ipAdapters: PictureAdapter[];
  };
  readonly #own: Required<PictureReaders>;

  constructor({ controlNets = [], t2iAdapters = [], ipAdapters = [] }: PictureReaders = {}) {
    // The parts and the pipeline have these lists: what is in them changes.
    this.#lists = {
      controlNets: controlNets as ControlNet[],
      t2iAdapters: t2iAdapters as T2iAdapter[],
      ipAdapters: ipAdapters as PictureAdapter[],
    };
    this.#own = { controlNets: [...controlNets], t2iAdapters: [...t2iAdapters], ipAdapters: [...ipAdapters] };
  }

  /** From now on requests give pictures for the pipeline's own and for these, in their order. */
  replace(readers: readonly WeightedPictureReader[]): void {
    const { controlNets, t2iAdapters, ipAdapters } = this.#lists;
    controlNets.splice(0, controlNets.length, ...this.#own.controlNets!);
    t2iAdapters.splice(0, t2iAdapters.length, ...this.#own.t2iAdapters!);
    ipAdapters.splice(0, ipAdapters.length, ...this.#own.ipAdapters!);
    for (const { reader, strength } of readers) {
      if (reader.kind === 'controlnet') controlNets.push(weightedControlNet(reader.controlNet, strength));
      else if (reader.kind === 't2i-adapter')
        t2iAdapters.push(weightedT2iAdapter(reader.t2iAdapter, strength));
      else ipAdapters.push({ ...reader.ipAdapter, strength });
    }
  }
}

/** A ControlNet that counts as much more as it is strong. */
const weightedControlNet = (net: ControlNet, strength: () => number): ControlNet => ({
  ...net,
  predict: ({ conditioningScale = 1, ...inputs }, options) =>
    net.predict({ ...inputs, conditioningScale: conditioningScale * strength() }, options),
});

/** A T2I-Adapter whose features are as strong as they are when a painting begins. */
const weightedT2iAdapter = (adapter: T2iAdapter, strength: () => number): T2iAdapter => ({
  ...adapter,
  features: async (picture, options) => {
    const features = await adapter.features(picture, options);
    return features.map((feature) => cpuOps.affine(feature, strength(), 0));
  },
});
