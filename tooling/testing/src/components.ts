// Components of models, read whole and changed, for tests of networks that no fixture has.
import {
  type Folder,
  memoryFolder,
  openWeights,
  readJson,
  readTensor,
  writeSafetensors,
} from '@emulsion/checkpoints';

/** Values of weights by their names. */
export type Tensors = Record<string, Awaited<ReturnType<typeof readTensor>>>;

/** The values of a component's weights. */
export async function readWeights(component: Folder): Promise<Tensors> {
  const tensors: Tensors = {};
  for (const [name, weight] of await openWeights(component))
    tensors[name] = await readTensor(component, weight);
  return tensors;
}

/**
 * A component with another configuration.
 * @param changes of its config.json
 * @param weights in place of its own
 */
export async function changedComponent(
  component: Folder,
  changes: Readonly<Record<string, unknown>>,
  weights?: Readonly<Tensors>,
): Promise<Folder> {
  const config = (await readJson(component, 'config.json')) as object; // as in every model
  return memoryFolder({
    'config.json': JSON.stringify({ ...config, ...changes }),
    'diffusion_pytorch_model.safetensors': writeSafetensors(weights ?? (await readWeights(component))),
  });
}
