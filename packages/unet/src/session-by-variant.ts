// The one session that is kept of a U-Net, replaced when a call needs another of its graphs.
import {
  assertSlots,
  type ContextChange,
  missingSlot,
  type SlottedSession,
  unitedSlots,
  type WantedSlots,
} from '@emulsion/nn';
import type { Model } from '@emulsion/onnx';
import type { Cancellable, Device, Dialect } from '@emulsion/runtime';
import { type ImagePromptSlot, isSamePrompts } from './image-prompts.ts';
import type { Sizes } from './up-blocks.ts';

/** What a call asks of the graph. */
export interface WantedVariant {
  /** `[batch, channels, height, width]` of the samples; those of the calls before, if there are none. */
  readonly dims?: readonly number[];
  readonly residuals?: boolean;
  /** Whether there are features of T2I-Adapters. */
  readonly features?: boolean;
  /** Pictures that are attended to; those of the calls before, if there are none. */
  readonly imagePrompts?: readonly ImagePromptSlot[];
  /** Slots for adapters. */
  readonly slots?: WantedSlots;
  /** What adapters add to contexts; that of the calls before, if not given. */
  readonly contexts?: readonly ContextChange[];
}

/** Which of the graphs of one U-Net, with the slots that were wanted so far. */
export interface LoadedVariant {
  readonly sizes: Sizes;
  readonly residuals: boolean;
  readonly features: boolean;
  readonly imagePrompts: readonly ImagePromptSlot[];
  readonly slots: WantedSlots;
  readonly contexts: readonly ContextChange[];
}

const plain: LoadedVariant = {
  sizes: 'halvable',
  residuals: false,
  features: false,
  imagePrompts: [],
  slots: new Map(),
  contexts: [],
};

interface Loaded extends SlottedSession {
  readonly variant: LoadedVariant;
}

/**
 * The session for the calls that come: loaded for sizes that can be halved, without residuals and with no more slots for
 * adapters than cost nothing, and anew when others come. Once there were residuals it takes them on, also where none are
 * given: ControlNets pause and go on. It keeps what other adapters need likewise.
 */
export class SessionByVariant {
  readonly #device: Device;
  readonly #write: (variant: LoadedVariant) => Model;
  readonly #divisor: number;
  #variant = plain;
  #loading: Promise<Loaded> | undefined;
  #disposed = false;

  /** @param divisor what heights and widths that can be halved are multiples of */
  constructor(device: Device, write: (variant: LoadedVariant) => Model, divisor: number) {
    this.#device = device;
    this.#write = write;
    this.#divisor = divisor;
  }

  /**
   * The session for a call, loaded if it is not there.
   * @throws {InvalidArgumentError} if there is no place for a slot
   */
  async of(wanted: WantedVariant, options: Cancellable): Promise<Loaded> {
    const former = this.#loading;
    if (this.#disposed && former) return former;
    const loaded = await former?.catch(() => undefined);
    const variant = this.#widened(wanted);
    if (loaded && covers(loaded, variant, this.#device.dialect)) return loaded;
    // Others may have begun to load while this call waited.
    if (this.#loading !== former) return this.of(wanted, options);
    const model = this.#write(variant);
    assertSlots(model, variant.slots);
    const replace = async (): Promise<Loaded> => {
      await loaded?.session.dispose();
      const session = await this.#device.createSession(model, options);
      return { session, inputs: model.graph.inputs, contexts: variant.contexts, variant };
    };
    const loading = replace();
    this.#loading = loading;
    this.#variant = variant;
    try {
      return await loading;
    } catch (error) {
      if (this.#loading === loading) this.#loading = undefined;
      this.#variant = loaded?.variant ?? this.#variant;
      throw error;
    }
  }

  /** Loads the graph anew with the next call: its weights were replaced. */
  async forget(): Promise<void> {
    const loaded = await this.#loading?.catch(() => undefined);
    this.#loading = undefined;
    await loaded?.session.dispose();
  }

  /** The variant for a call, and what calls before wanted. */
  #widened(wanted: WantedVariant): LoadedVariant {
    const { dims, residuals = false, features = false, imagePrompts, slots = new Map(), contexts } = wanted;
    const { sizes, residuals: hadResiduals, features: hadFeatures, slots: formerSlots } = this.#variant;
    const isHalvable = dims?.slice(2).every((size) => size % this.#divisor === 0);
    return {
      sizes: isHalvable === undefined ? sizes : isHalvable ? 'halvable' : 'any',
      residuals: residuals || hadResiduals,
      features: features || hadFeatures,
      imagePrompts: imagePrompts ?? this.#variant.imagePrompts,
      slots: unitedSlots(formerSlots, slots),
      contexts: contexts ?? this.#variant.contexts,
    };
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await (await this.#loading)?.session.dispose();
  }
}

const covers = ({ variant, inputs }: Loaded, wanted: LoadedVariant, dialect: Dialect) =>
  variant.sizes === wanted.sizes &&
  variant.residuals === wanted.residuals &&
  variant.features === wanted.features &&
  isSamePrompts(variant.imagePrompts, wanted.imagePrompts) &&
  coversContexts(variant.contexts, wanted.contexts, dialect) &&
  missingSlot(inputs, wanted.slots) === undefined;

/** Whether changes are written in their order; others between them are left out in a run, where that saves their time. */
function coversContexts(
  written: readonly ContextChange[],
  wanted: readonly ContextChange[],
  { branches }: Dialect,
): boolean {
  if (!branches && written.length !== wanted.length) return false;
  let found = 0;
  for (const change of written) if (change === wanted[found]) found++;
  return found === wanted.length;
}
