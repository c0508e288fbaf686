// An autoencoder loaded from its folder, ready to encode and decode.
import { type Folder, openWeights, readJson, type Weights } from '@emulsion/checkpoints';
import { ConfigReader, WeightScope } from '@emulsion/nn';
import { inputShapes, type Model, weightMemory } from '@emulsion/onnx';
import { type Cancellable, type Device, type Dialect, runMemory, type Session } from '@emulsion/runtime';
import { InvalidArgumentError, ShapeError, sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { vaeDecoder, vaeEncoder } from './autoencoder-kl.ts';
import { tinyDecoder, tinyEncoder } from './autoencoder-tiny.ts';
import type { TilingOptions } from './decode-by-tiles.ts';
import type { LatentSpace } from './latent-space.ts';
import { readyHalf } from './ready-vae.ts';
import type { VaeMemory } from './tiled-memory.ts';
import { parseTinyVaeConfig, type TinyVaeConfig } from './tiny-vae-config.ts';
import { parseVaeConfig, type VaeConfig } from './vae-config.ts';

/** The distribution of a picture's latents: independent normal ones. */
export interface LatentDistribution {
  /** `[batch, latentChannels, height/scale, width/scale]` */
  readonly mean: Tensor;
  /** Logarithms of the variances, limited to [-30, 20]; same shape. −∞ where an autoencoder gives one value alone. */
  readonly logvar: Tensor;
}

/** A loaded autoencoder. Latents are the decoder's own here, not yet scaled: see `toLatents` and `fromLatents`. */
export interface Vae {
  readonly config: LatentSpace;
  /**
   * A picture to the distribution of its latents.
   * @param image `[batch, inChannels, height, width]` in [-1, 1]
   * @throws {ShapeError} if height or width are no multiples of `config.scale`, {InvalidArgumentError} if `tiling` is
   * asked of an autoencoder that has no tiles
   */
  encode(image: Tensor, options?: EncodeOptions): Promise<LatentDistribution>;
  /**
   * Latents to a picture.
   * @param latents `[batch, latentChannels, height, width]`
   * @returns `[batch, outChannels, height·scale, width·scale]`, about in [-1, 1]
   * @throws {InvalidArgumentError} if `tiling` is asked of an autoencoder that has no tiles
   */
  decode(latents: Tensor, options?: DecodeOptions): Promise<Tensor>;
  /** Whether it encodes and decodes by tiles. */
  readonly hasTiles: boolean;
  /** What `encode` takes of memory for a picture of such dims, one at a time: an estimate. */
  encodeMemory(dims: readonly number[], options?: Pick<EncodeOptions, 'tiling'>): Promise<VaeMemory>;
  /** What `decode` takes of memory for latents of such dims, one sample at a time: an estimate. */
  decodeMemory(dims: readonly number[], options?: Pick<DecodeOptions, 'tiling'>): Promise<VaeMemory>;
  /** The encoder's latents as diffusion takes them: `(z − shiftFactor) · scalingFactor`. */
  toLatents(z: Tensor): Tensor;
  /** What diffusion gives as the decoder takes it: `latents / scalingFactor + shiftFactor`. */
  fromLatents(latents: Tensor): Tensor;
  dispose(): Promise<void>;
}

export interface EncodeOptions extends Cancellable {
  /** Encodes tile by tile, for pictures that whole would take too much memory: see `decode`. */
  readonly tiling?: boolean | Pick<TilingOptions, 'tileSize'> | undefined;
}

export interface DecodeOptions extends Cancellable {
  /**
   * Decodes tile by tile, for pictures that whole would take too much memory: the result is the same, in two to three
   * times the time. See `decodeByTiles`.
   */
  readonly tiling?: boolean | Pick<TilingOptions, 'tileSize'> | undefined;
  /** Decodes one sample of the batch after the other, in the memory of one. */
  readonly slicing?: boolean | undefined;
}

export interface LoadOptions extends Cancellable {
  readonly device: Device;
  /** A copy of the weights by the word in its file name, for instance `fp16`; see `openWeights`. */
  readonly variant?: string | undefined;
}

type Writer<Config> = (name: string, config: Config, weights: WeightScope, dialect: Dialect) => Model;

/** One half of the autoencoder, loaded when it is first needed. */
class Half {
  readonly #device: Device;
  readonly #model: Model;
  #session: Promise<Session> | undefined;

  constructor(device: Device, model: Model) {
    this.#device = device;
    this.#model = model;
  }

  async run(feeds: Readonly<Record<string, Tensor>>, options?: Cancellable): Promise<Record<string, Tensor>> {
    this.#session ??= this.#device.createSession(this.#model);
    // A load that failed is tried anew by the next call.
    this.#session.catch(() => {
      this.#session = undefined;
    });
    return (await this.#session).run(feeds, options);
  }

  /** What a run for one sample of such dims takes. */
  memory([, , height = 0, width = 0]: readonly number[]): VaeMemory {
    const { stored, loaded: weights } = weightMemory(this.#model);
    const shapes = inputShapes(this.#model, { batch: 1, height, width });
    return { stored, weights, activations: shapes && runMemory(this.#model, shapes) };
  }

  async dispose(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    await session?.dispose();
  }
}

/** How the autoencoders of one class are read, written as graphs and understood. */
interface AutoencoderClass<Config extends LatentSpace> {
  readonly parse: (name: string, json: unknown) => Config;
  readonly encoder: Writer<Config>;
  readonly decoder: Writer<Config>;
  /** Encodes to what the encoder gives, and decodes, tile by tile, if that can be done. */
  readonly tiledEncode?: (
    parts: { readonly device: Device; readonly config: Config; readonly weights: WeightScope },
    image: Tensor,
    options: TilingOptions,
  ) => Promise<Tensor>;
  readonly tiled?: (
    parts: { readonly device: Device; readonly config: Config; readonly weights: WeightScope },
    latents: Tensor,
    options: TilingOptions,
  ) => Promise<Tensor>;
  /** What that takes of memory, for dims of a picture or of latents. */
  readonly tiledMemory?: {
    readonly [Way in 'encode' | 'decode']: (
      parts: { readonly device: Device; readonly config: Config; readonly weights: WeightScope },
      dims: readonly number[],
      tileSize: number | undefined,
    ) => Promise<VaeMemory>;
  };
  /** What the encoder's outputs say. */
  readonly distribution: (outputs: Readonly<Record<string, Tensor>>, config: Config) => LatentDistribution;
}

const autoencoderKl: AutoencoderClass<VaeConfig> = {
  parse: parseVaeConfig,
  encoder: vaeEncoder,
  decoder: vaeDecoder,
  // Pages download tiles when they are asked for.
  tiled: async (...of) => (await import('./decode-by-tiles.ts')).decodeByTiles(...of),
  tiledEncode: async (...of) => (await import('./encode-by-tiles.ts')).encodeByTiles(...of),
  tiledMemory: {
    encode: async (...of) => (await import('./tiled-memory.ts')).tiledEncodeMemory(...of),
    decode: async (...of) => (await import('./tiled-memory.ts')).tiledDecodeMemory(...of),
  },
  distribution: ({ moments }, { latentChannels }) => split(moments!, latentChannels),
};

const autoencoderTiny: AutoencoderClass<TinyVaeConfig> = {
  parse: parseTinyVaeConfig,
  encoder: tinyEncoder,
  decoder: tinyDecoder,
  distribution: ({ latents }) => ({
    mean: latents!,
    logvar: tensor(new Float32Array(latents!.data.length).fill(Number.NEGATIVE_INFINITY), latents!.dims),
  }),
};

/**
 * Opens the autoencoder of a diffusers folder: an AutoencoderKL, or an AutoencoderTiny. Its configuration and weights
 * are checked now; encoder and decoder are loaded when they are first used.
 * @throws {ConfigError} {WeightError} and the errors of `openWeights` if the folder is not one of an autoencoder that
 * is supported
 */
export async function loadVae(folder: Folder, options: LoadOptions): Promise<Vae> {
  const json = await readJson(folder, 'config.json');
  const names = ['AutoencoderKL', 'AutoencoderTiny'] as const;
  return new ConfigReader('vae', json).oneOf('_class_name', names, 'AutoencoderKL') === 'AutoencoderTiny'
    ? load(folder, json, autoencoderTiny, options)
    : load(folder, json, autoencoderKl, options);
}

const noTiles =
  'vae: tiling was asked for, and an AutoencoderTiny has no tiles. It takes a small part of the memory: leave tiling out.';

const noTilesReady =
  'vae: tiling was asked for, and the ready-made graphs of this model take whole pictures alone. Use its folder with weights, or leave tiling out.';

async function load<Config extends LatentSpace>(
  folder: Folder,
  json: unknown,
  { parse, distribution, tiled, tiledEncode, tiledMemory, ...write }: AutoencoderClass<Config>,
  { device, signal, variant }: LoadOptions,
): Promise<Vae> {
  const config = parse('vae', json);
  // A ready-made graph of one half is one of both.
  const ready = await folder.has('decoder/model.onnx');
  const weights: Weights = ready
    ? new Map()
    : await openWeights(folder, { ...(variant !== undefined && { variant }) });
  signal?.throwIfAborted();
  const half = (name: string, writer: Writer<Config>) =>
    new Half(device, writer(name, config, WeightScope.of('vae', weights), device.dialect));
  const [encoder, decoder] = ready
    ? [
        new Half(device, await readyHalf(folder, 'encoder')),
        new Half(device, await readyHalf(folder, 'decoder')),
      ]
    : [half('vae encoder', write.encoder), half('vae decoder', write.decoder)];
  const { scalingFactor, shiftFactor } = config;
  const parts = { device, config, weights: WeightScope.of('vae', weights) };
  const memory = async (
    way: 'encode' | 'decode',
    half: Half,
    dims: readonly number[],
    { tiling = false }: Pick<DecodeOptions, 'tiling'> = {},
  ) =>
    tiling !== false && tiledMemory && !ready
      ? tiledMemory[way](parts, dims, tiling === true ? undefined : tiling.tileSize)
      : half.memory(dims);
  return {
    config,
    hasTiles: tiled !== undefined && !ready,
    encodeMemory: (dims, options) => memory('encode', encoder, dims, options),
    decodeMemory: (dims, options) => memory('decode', decoder, dims, options),
    async encode(image, { tiling = false, signal } = {}) {
      assertPicture(image, config);
      if (tiling === false) return distribution(await encoder.run({ image }, { signal }), config);
      if (ready) throw new InvalidArgumentError(noTilesReady);
      if (!tiledEncode) throw new InvalidArgumentError(noTiles);
      const moments = await tiledEncode(parts, image, { ...(tiling !== true && tiling), signal });
      return distribution({ moments }, config);
    },
    async decode(latents, { tiling = false, slicing = false, signal } = {}) {
      assertLatents(latents, config);
      if (tiling !== false) {
        if (ready) throw new InvalidArgumentError(noTilesReady);
        if (!tiled) throw new InvalidArgumentError(noTiles);
        return tiled(parts, latents, { ...(tiling !== true && tiling), signal });
      }
      const { ops } = device;
      const batch = slicing ? latents.dims[0]! : 1;
      const samples =
        batch > 1 ? Array.from({ length: batch }, (_, i) => ops.slice(latents, i, i + 1)) : [latents];
      const pictures: Tensor[] = [];
      for (const sample of samples) {
        const { image } = await decoder.run({ latents: sample }, { signal });
        pictures.push(image!);
      }
      return pictures.length === 1 ? pictures[0]! : ops.concat(pictures);
    },
    toLatents: (z) => device.ops.affine(z, scalingFactor, -shiftFactor * scalingFactor),
    fromLatents: (latents) => device.ops.affine(latents, 1 / scalingFactor, shiftFactor),
    async dispose() {
      await Promise.all([encoder.dispose(), decoder.dispose()]);
    },
  };
}

function split(moments: Tensor, channels: number): LatentDistribution {
  const [batch = 1, , ...space] = moments.dims;
  const length = channels * sizeOf(space);
  const part = (which: 0 | 1) => {
    const data = new Float32Array(batch * length);
    for (let i = 0; i < batch; i++) {
      const start = (2 * i + which) * length;
      data.set(moments.data.subarray(start, start + length), i * length);
    }
    return data;
  };
  const dims = [batch, channels, ...space];
  const logvar = part(1).map((value) => Math.min(Math.max(value, -30), 20));
  return { mean: tensor(part(0), dims), logvar: tensor(logvar, dims) };
}

function assertPicture({ dims }: Tensor, { inChannels, scale }: LatentSpace): void {
  const [, channels, height = 0, width = 0] = dims;
  if (
    dims.length === 4 &&
    channels === inChannels &&
    height % scale === 0 &&
    width % scale === 0 &&
    height * width > 0
  )
    return;
  throw new ShapeError(
    `vae: the picture is [${dims.join(', ')}], this model takes [batch, ${inChannels}, height, width] with height and width multiples of ${scale}. Resize or crop it.`,
  );
}

function assertLatents({ dims }: Tensor, { latentChannels }: LatentSpace): void {
  if (dims.length === 4 && dims[1] === latentChannels) return;
  throw new ShapeError(
    `vae: the latents are [${dims.join(', ')}], this model takes [batch, ${latentChannels}, height, width]. Use the U-Net that belongs to it.`,
  );
}
