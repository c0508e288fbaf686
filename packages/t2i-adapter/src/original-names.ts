// T2I-Adapters as TencentARC published them: one file with other names, and no config.json.
import type { Weight, Weights } from '@emulsion/checkpoints';
import { WeightError } from '@emulsion/nn';
import type { T2iAdapterConfig } from './t2i-adapter-config.ts';

/** An adapter's weights under diffusers' names, with the configuration that follows from their shapes. */
export interface RenamedAdapter {
  readonly config: T2iAdapterConfig;
  readonly weights: Weights;
}

/** Residual blocks of each resolution in all adapters that were published with `conv_in`. */
const residualBlocks = 2;

/**
 * Weights under diffusers' names, if they have the original ones: `body.3.block1.weight` is the second residual block of
 * the second resolution, and `body.1.body.0.block1.weight` in an adapter with few channels the first of that.
 * @returns `undefined` if they have diffusers' names already
 * @throws {WeightError} if they are not those of a T2I-Adapter
 */
export function renameOriginal(name: string, weights: Weights): RenamedAdapter | undefined {
  if ([...weights.keys()].some((key) => key.startsWith('adapter.'))) return undefined;
  const isLight = weights.has('body.0.out_conv.weight');
  if (!isLight && !weights.has('conv_in.weight')) {
    const [first = ''] = weights.keys();
    throw new WeightError(
      first,
      `${name}: its weights ("${first}" is the first) are not those of a T2I-Adapter. Take the adapter's own file, not a style adapter's or a whole model.`,
    );
  }
  const renamed = new Map<string, Weight>();
  for (const [key, weight] of weights) {
    const diffusers = `adapter.${isLight ? renameLight(key) : renameFull(key)}`;
    renamed.set(diffusers, { ...weight, name: diffusers });
  }
  return { config: (isLight ? lightConfig : fullConfig)(name, renamed), weights: renamed };
}

function renameFull(key: string): string {
  return key.replace(/^body\.(\d+)\.(in_conv|block)/, (_, index: string, module: string) => {
    const block = Math.floor(Number(index) / residualBlocks);
    return module === 'in_conv'
      ? `body.${block}.in_conv`
      : `body.${block}.resnets.${Number(index) % residualBlocks}.block`;
  });
}

const renameLight = (key: string) => key.replace(/^(body\.\d+)\.body\./, '$1.resnets.');

/** How many there are of a numbered module. */
function countOf(weights: Weights, path: (index: number) => string): number {
  let count = 0;
  while (weights.has(path(count))) count++;
  return count;
}

function dimsOf(name: string, weights: Weights, key: string): readonly number[] {
  const weight = weights.get(key);
  if (weight) return weight.dims;
  throw new WeightError(
    key,
    `${name}: the file has no weight "${key}". It is not whole, or not that of a T2I-Adapter: fetch it again.`,
  );
}

/** A picture of one channel or of three is what adapters follow, in squares of 8×8 pixels, of XL in 16×16. */
function pictureOf(unshuffled: number): Pick<T2iAdapterConfig, 'inChannels' | 'downscaleFactor'> {
  const downscaleFactor = unshuffled % 256 === 0 ? 16 : 8;
  return { inChannels: unshuffled / downscaleFactor ** 2, downscaleFactor };
}

function fullConfig(name: string, weights: Weights): T2iAdapterConfig {
  const [, unshuffled = 0] = dimsOf(name, weights, 'adapter.conv_in.weight');
  const picture = pictureOf(unshuffled);
  const blocks = countOf(weights, (i) => `adapter.body.${i}.resnets.0.block1.weight`);
  const channels = Array.from(
    { length: blocks },
    (_, i) => dimsOf(name, weights, `adapter.body.${i}.resnets.0.block1.weight`)[0]!,
  );
  const adapterType = picture.downscaleFactor === 16 ? 'full_adapter_xl' : 'full_adapter';
  return { adapterType, channels, residualBlocks, ...picture };
}

function lightConfig(name: string, weights: Weights): T2iAdapterConfig {
  const [, unshuffled = 0] = dimsOf(name, weights, 'adapter.body.0.in_conv.weight');
  const blocks = countOf(weights, (i) => `adapter.body.${i}.out_conv.weight`);
  const channels = Array.from(
    { length: blocks - 1 },
    (_, i) => dimsOf(name, weights, `adapter.body.${i}.out_conv.weight`)[0]!,
  );
  return {
    adapterType: 'light_adapter',
    channels,
    residualBlocks: countOf(weights, (i) => `adapter.body.0.resnets.${i}.block1.weight`),
    ...pictureOf(unshuffled),
  };
}
