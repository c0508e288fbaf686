// A U-Net loaded from its folder, ready to predict.
import { type Folder, openWeights, readJson } from '@emulsion/checkpoints';
import { timestepFeatures, WeightScope } from '@emulsion/nn';
import type { Cancellable, Device, Session } from '@emulsion/runtime';
import { ShapeError, type Tensor } from '@emulsion/tensor';
import { type Sizes, unet2dCondition } from './unet-2d-condition.ts';
import { parseUnetConfig, type UnetConfig } from './unet-config.ts';

export interface UnetInputs {
  /** Noisy latents, scaled as the scheduler says: `[batch, inChannels, height, width]`. */
  readonly sample: Tensor;
  /** One timestep for all samples, or one for each. */
  readonly timestep: number | readonly number[];
  /** The text encoder's output: `[batch, sequence, crossAttentionDim]`. */
  readonly encoderHiddenStates: Tensor;
}

/** A loaded U-Net. */
export interface Unet {
  readonly config: UnetConfig;
  /** Names of weights in the checkpoint that the network does not use. */
  readonly unusedWeights: readonly string[];
  /**
   * What the network makes of a noisy sample: noise, velocity or a clean sample, as it was trained.
   * @returns `[batch, outChannels, height, width]`
   * @throws {ShapeError} if an input has another shape than the network takes
   */
  predict(inputs: UnetInputs, options?: Cancellable): Promise<Tensor>;
  dispose(): Promise<void>;
}

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

/**
 * Loads the U-Net of a diffusers folder: its config.json and its weights where they lie.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of a U-Net that is
 * supported, `SessionError` if the device cannot load it
 */
export async function loadUnet(folder: Folder, { device, signal, variant }: LoadOptions): Promise<Unet> {
  const config = parseUnetConfig('unet', await readJson(folder, 'config.json'));
  const weights = WeightScope.of(
    'unet',
    await openWeights(folder, { ...(variant !== undefined && { variant }) }),
  );
  const sessions = new SessionBySize(
    (sizes, options) =>
      device.createSession(unet2dCondition('unet', config, weights, device.dialect, sizes), options),
    2 ** (config.downBlocks.length - 1),
  );
  await sessions.load('halvable', { signal });
  return {
    config,
    unusedWeights: weights.unused(),
    predict: (inputs, options) => predict(sessions, config, inputs, options),
    dispose: () => sessions.dispose(),
  };
}

/** The session for the sizes that come: loaded for halvable ones, and anew when others come. */
class SessionBySize {
  readonly #create: (sizes: Sizes, options: Cancellable) => Promise<Session>;
  readonly #divisor: number;
  #loaded: { readonly sizes: Sizes; readonly session: Promise<Session> } | undefined;
  #disposed = false;

  constructor(create: (sizes: Sizes, options: Cancellable) => Promise<Session>, divisor: number) {
    this.#create = create;
    this.#divisor = divisor;
  }

  async load(sizes: Sizes, options: Cancellable): Promise<Session> {
    if (this.#loaded?.sizes === sizes || (this.#loaded && this.#disposed)) return this.#loaded.session;
    const former = this.#loaded?.session;
    const replace = async () => {
      await (await former?.catch(() => undefined))?.dispose();
      return this.#create(sizes, options);
    };
    const loaded = { sizes, session: replace() };
    this.#loaded = loaded;
    try {
      return await loaded.session;
    } catch (error) {
      if (this.#loaded === loaded) this.#loaded = undefined;
      throw error;
    }
  }

  /** The session for samples of `[batch, channels, height, width]`. */
  of([, , height = 0, width = 0]: readonly number[], options: Cancellable): Promise<Session> {
    return this.load(
      height % this.#divisor === 0 && width % this.#divisor === 0 ? 'halvable' : 'any',
      options,
    );
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await (await this.#loaded?.session)?.dispose();
  }
}

async function predict(
  sessions: SessionBySize,
  config: UnetConfig,
  inputs: UnetInputs,
  options: Cancellable = {},
): Promise<Tensor> {
  const { sample, timestep, encoderHiddenStates } = inputs;
  const batch = sample.dims[0] ?? 0;
  assertDims('sample', sample, [undefined, config.inChannels, undefined, undefined]);
  assertDims('encoderHiddenStates', encoderHiddenStates, [batch, undefined, config.crossAttentionDim]);
  const timesteps = typeof timestep === 'number' ? Array.from({ length: batch }, () => timestep) : timestep;
  if (timesteps.length !== batch) {
    throw new ShapeError(
      `unet: ${timesteps.length} timesteps came for ${batch} samples. Give one for all or one for each.`,
    );
  }
  const { flipSinToCos, frequencyShift, downBlocks } = config;
  const session = await sessions.of(sample.dims, options);
  const outputs = await session.run(
    {
      sample,
      timestep_features: timestepFeatures(timesteps, {
        channels: downBlocks[0]!.channels,
        flipSinToCos,
        frequencyShift,
      }),
      encoder_hidden_states: encoderHiddenStates,
    },
    options,
  );
  return outputs.model_output!;
}

function assertDims(name: string, { dims }: Tensor, wanted: readonly (number | undefined)[]): void {
  if (dims.length === wanted.length && wanted.every((dim, axis) => dim === undefined || dim === dims[axis]))
    return;
  const expected = wanted.map((dim) => dim ?? 'any').join(', ');
  throw new ShapeError(
    `unet: "${name}" is [${dims.join(', ')}], this model takes [${expected}]. Use the text encoder and the latents that belong to it.`,
  );
}
