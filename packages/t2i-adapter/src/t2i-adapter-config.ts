// The config.json of diffusers' T2IAdapter.
import { ConfigReader } from '@emulsion/nn';

/** How the blocks are built: as the first adapters, as those for Stable Diffusion XL, or with fewer channels inside. */
export const adapterTypes = ['full_adapter', 'full_adapter_xl', 'light_adapter'] as const;
export type AdapterType = (typeof adapterTypes)[number];

/** A T2I-Adapter, as its config.json describes it. */
export interface T2iAdapterConfig {
  readonly adapterType: AdapterType;
  /** Channels of the picture that is followed: 3 for colours, 1 for grey. */
  readonly inChannels: number;
  /** Channels of the features, one for each block. */
  readonly channels: readonly number[];
  readonly residualBlocks: number;
  /** How many pixels wide and high a square is that becomes one element of the first features. */
  readonly downscaleFactor: number;
}

/**
 * Reads a config.json.
 * @throws {ConfigError} if it is of another class, or a value is of the wrong kind
 */
export function parseT2iAdapterConfig(name: string, json: unknown): T2iAdapterConfig {
  const config = new ConfigReader(name, json);
  config.oneOf('_class_name', ['T2IAdapter'], 'T2IAdapter');
  const channels = config.raw('channels') === undefined ? [320, 640, 1280, 1280] : config.numbers('channels');
  if (channels.length === 0) config.fail('channels', 'at least one number is wanted.');
  return {
    adapterType: config.oneOf('adapter_type', adapterTypes, 'full_adapter'),
    inChannels: config.number('in_channels', 3),
    channels,
    residualBlocks: config.number('num_res_blocks', 2),
    downscaleFactor: config.number('downscale_factor', 8),
  };
}

/** One block of an adapter. */
export interface AdapterBlock {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Whether it halves its input. */
  readonly halves: boolean;
}

/** The blocks of an adapter, one for each of its features. */
export function adapterBlocks({
  adapterType,
  channels,
  inChannels,
  downscaleFactor,
}: T2iAdapterConfig): AdapterBlock[] {
  const block = (from: number, to: number, halves: boolean) => ({
    inChannels: from,
    outChannels: to,
    halves,
  });
  switch (adapterType) {
    case 'full_adapter':
      return channels.map((width, i) => block(channels[i - 1] ?? width, width, i > 0));
    case 'full_adapter_xl':
      // The first two features have one size, the others half of it.
      return channels.map((width, i) => block(i === 1 || i === 2 ? channels[i - 1]! : width, width, i === 2));
    case 'light_adapter': {
      const unshuffled = inChannels * downscaleFactor ** 2;
      const widths = [...channels, channels.at(-1)!];
      return widths.map((width, i) => block(widths[i - 1] ?? unshuffled, width, i > 0));
    }
  }
}
