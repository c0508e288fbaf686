// A U-Net whose graph is ready-made, as Optimum exports it: the inputs of its graph are those of the Python class.
import { type Folder, openOnnx } from '@emulsion/checkpoints';
import { GraphError } from '@emulsion/onnx';
import type { Cancellable, Device, RunOptions, Session } from '@emulsion/runtime';
import { type AnyTensor, InvalidArgumentError, ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import type { ControlResiduals, UnetInputs } from './load-unet.ts';

/** What a ready-made graph is asked; text is for those that read one. */
export type ReadyUnetInputs = Partial<UnetInputs> & Pick<UnetInputs, 'sample' | 'timestep'>;

/** A ready-made U-Net. */
export interface ReadyUnet {
  predict(inputs: ReadyUnetInputs, options?: RunOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

/**
 * Loads the model.onnx of a U-Net's folder.
 * @throws {GraphError} if its graph is not one of a U-Net, `SessionError` if the device cannot load it, and the errors
 * of `openOnnx`
 */
export async function loadReadyUnet(
  folder: Folder,
  { device, signal }: Cancellable & { readonly device: Device },
): Promise<ReadyUnet> {
  const model = await openOnnx(folder, 'model.onnx');
  const { inputs, outputs } = model.graph;
  const ranks = new Map(inputs.map(({ name, type }) => [name, type?.shape?.length]));
  if (!ranks.has('sample') || !ranks.has('timestep') || outputs.length !== 1) {
    const names = [...inputs, ...outputs].map(({ name }) => name);
    throw new GraphError(
      `unet: the graph ${folder.name}/model.onnx (${names.join(', ')}) has not the inputs "sample" and "timestep" and one output. Export the model with Optimum.`,
    );
  }
  const session = await device.createSession(model, { signal });
  return {
    predict: (asked, options) => predict(session, ranks, asked, options),
    dispose: () => session.dispose(),
  };
}

type Ranks = ReadonlyMap<string, number | undefined>;

async function predict(
  session: Session,
  ranks: Ranks,
  inputs: ReadyUnetInputs,
  options?: RunOptions,
): Promise<Tensor> {
  if (inputs.adapterFeatures || inputs.imagePrompts) {
    throw new InvalidArgumentError(
      `unet: this model's graph is ready-made and takes no ${inputs.imagePrompts ? 'IP' : 'T2I'}-Adapters. Use the model in diffusers layout, with its weights.`,
    );
  }
  const feeds = feedsOf(inputs, ranks.get('timestep'));
  for (const name of ranks.keys()) {
    if (!feeds[name])
      throw new InvalidArgumentError(`unet: this model's graph takes "${name}", and none came. Give it.`);
  }
  const stranger = Object.keys(feeds).find((name) => !ranks.has(name));
  if (stranger !== undefined) {
    throw new InvalidArgumentError(
      `unet: this model's graph is ready-made and has no input "${stranger}". ${/residual/.test(stranger) ? 'A ControlNet needs the model in diffusers layout, with its weights.' : 'Leave it out.'}`,
    );
  }
  const [output] = Object.values(await session.run(feeds, options));
  return output!;
}

/** The arguments under the names that diffusers' class gives them. */
function feedsOf(
  {
    sample,
    timestep,
    encoderHiddenStates,
    timestepCond,
    addedConditions,
    classLabels,
    residuals,
  }: ReadyUnetInputs,
  timestepRank: number | undefined,
): Record<string, AnyTensor> {
  const labels = typeof classLabels === 'number' ? [classLabels] : classLabels;
  return {
    sample,
    timestep: timestepFeed(timestep, sample.dims[0] ?? 0, timestepRank),
    ...(encoderHiddenStates && { encoder_hidden_states: encoderHiddenStates }),
    ...(timestepCond && { timestep_cond: timestepCond }),
    ...(addedConditions && { text_embeds: addedConditions.textEmbeds, time_ids: addedConditions.timeIds }),
    ...(labels && {
      class_labels: 'dims' in labels ? labels : tensor(Int32Array.from(labels), [labels.length]),
    }),
    ...(residuals && residualFeeds(residuals)),
  };
}

const residualFeeds = ({ downBlockResiduals, midBlockResidual }: ControlResiduals) => ({
  ...Object.fromEntries(downBlockResiduals.map((residual, i) => [`down_block_residual_${i}`, residual])),
  mid_block_residual: midBlockResidual,
});

/** Exports take one timestep for the whole batch. */
function timestepFeed(timestep: number | readonly number[], batch: number, rank: number | undefined): Tensor {
  const all = typeof timestep === 'number' ? [timestep] : timestep;
  const [first = 0] = all;
  if (typeof timestep !== 'number' && (all.length !== batch || all.some((other) => other !== first))) {
    throw new ShapeError(
      `unet: the timesteps [${all.join(', ')}] came for ${batch} samples; this model's graph is ready-made and takes one for all. Give one.`,
    );
  }
  return rank === 1 ? tensor([first], [1]) : tensor([first], []);
}
