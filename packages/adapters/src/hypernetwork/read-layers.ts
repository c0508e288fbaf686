// The layers of a hypernetwork's networks, put together from their weights.
import { type Folder, InvalidFileError, readTensor, type Weights } from '@emulsion/checkpoints';
import type { Tensor } from '@emulsion/tensor';
import { resolveActivation } from './activations.ts';
import type { HypernetworkLayer, HypernetworkSettings } from './hypernetwork.ts';

/**
 * The layers of one network. Its parameters are numbered by their place in PyTorch's Sequential, where activations and
 * dropout count too; here their order is enough.
 * @throws {InvalidFileError} if the weights are not those of the layers
 */
export async function readLayers(
  folder: Folder,
  path: string,
  width: number,
  weights: Weights,
  { layerStructure, activation, activateOutput, isLayerNorm }: HypernetworkSettings,
): Promise<HypernetworkLayer[]> {
  const structure = `the layers [${layerStructure.join(', ')}] of its network for width ${width}`;
  const invalid = (problem: string) => new InvalidFileError(folder, path, problem);
  const miscounted = (wanted: number | 'more') =>
    invalid(`it has ${weights.size} weights where ${structure} have ${wanted}`);
  const indices = [...weights.keys()].flatMap((name) => /^linear\.(\d+)\.weight$/.exec(name)?.[1] ?? []);
  const modules = indices.map(Number).sort((a, b) => a - b);
  let used = 0;

  const read = async (name: string, dims: readonly number[]): Promise<Tensor> => {
    const weight = weights.get(name);
    if (!weight) throw miscounted('more');
    if (String(weight.dims) !== String(dims)) {
      throw invalid(`"${name}" is [${weight.dims.join(', ')}] where ${structure} have [${dims.join(', ')}]`);
    }
    used++;
    return readTensor(folder, weight);
  };
  const nextModule = () => {
    const index = modules.shift();
    if (index === undefined) throw miscounted('more');
    return `linear.${index}`;
  };
  const readAffine = async (dims: readonly number[]) => {
    const module = nextModule();
    return {
      weight: await read(`${module}.weight`, dims),
      bias: await read(`${module}.bias`, dims.slice(0, 1)),
    };
  };

  const resolved = resolveActivation(activation);
  const sizes = layerStructure.map((multiple) => Math.trunc(width * multiple));
  const layers: HypernetworkLayer[] = [];
  for (const [i, outFeatures] of sizes.slice(1).entries()) {
    layers.push({ kind: 'linear', ...(await readAffine([outFeatures, sizes[i]!])) });
    if (resolved && (activateOutput || i < sizes.length - 2)) {
      const slope = resolved === 'prelu' && { weight: await read(`${nextModule()}.weight`, [1]) };
      layers.push({ kind: 'activation', name: resolved, ...slope });
    }
    if (isLayerNorm) layers.push({ kind: 'layerNorm', ...(await readAffine([outFeatures])) });
  }
  if (used !== weights.size) throw miscounted(used);
  return layers;
}
