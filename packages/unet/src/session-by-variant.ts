// The one session that is kept of a U-Net, replaced when a call needs another of its graphs.
import type { Cancellable, Session } from '@emulsion/runtime';
import type { UnetVariant } from './unet-2d-condition.ts';

/** A session, and whether its graph takes residuals. */
interface Loaded {
  readonly session: Session;
  readonly residuals: boolean;
}

/**
 * The session for the calls that come: loaded for sizes that can be halved and without residuals, and anew when others
 * come. Once there were residuals it takes them on, also where none are given: ControlNets pause and go on.
 */
export class SessionByVariant {
  readonly #create: (variant: UnetVariant, options: Cancellable) => Promise<Session>;
  readonly #divisor: number;
  #loaded: { readonly variant: UnetVariant; readonly session: Promise<Session> } | undefined;
  #disposed = false;

  /** @param divisor what heights and widths that can be halved are multiples of */
  constructor(create: (variant: UnetVariant, options: Cancellable) => Promise<Session>, divisor: number) {
    this.#create = create;
    this.#divisor = divisor;
  }

  /** Loads the session of a variant, unless it is there. */
  async load(variant: UnetVariant, options: Cancellable): Promise<Session> {
    const { sizes, residuals } = this.#loaded?.variant ?? {};
    const isLoaded = sizes === variant.sizes && residuals === variant.residuals;
    if (this.#loaded && (isLoaded || this.#disposed)) return this.#loaded.session;
    const former = this.#loaded?.session;
    const replace = async () => {
      await (await former?.catch(() => undefined))?.dispose();
      return this.#create(variant, options);
    };
    const loaded = { variant, session: replace() };
    this.#loaded = loaded;
    try {
      return await loaded.session;
    } catch (error) {
      if (this.#loaded === loaded) this.#loaded = undefined;
      throw error;
    }
  }

  /** The session for samples of `[batch, channels, height, width]`, with residuals or without. */
  async of(
    [, , height = 0, width = 0]: readonly number[],
    withResiduals: boolean,
    options: Cancellable,
  ): Promise<Loaded> {
    const isHalvable = height % this.#divisor === 0 && width % this.#divisor === 0;
    const residuals = withResiduals || (this.#loaded?.variant.residuals ?? false);
    const session = await this.load({ sizes: isHalvable ? 'halvable' : 'any', residuals }, options);
    return { session, residuals };
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await (await this.#loaded?.session)?.dispose();
  }
}
