// The ready-made graphs of an autoencoder, as Optimum exports them, with the inputs and outputs of those written here.
import { type Folder, openOnnx } from '@emulsion/checkpoints';
import { GraphError, type Model, replaceValues, type Value } from '@emulsion/onnx';

/** The names that both halves have in an export, and here. */
const names = {
  encoder: { input: ['sample', 'image'], output: ['latent_parameters', 'moments'] },
  decoder: { input: ['latent_sample', 'latents'], output: ['sample', 'image'] },
} as const;

/**
 * Reads `encoder/model.onnx` or `decoder/model.onnx` of an autoencoder's folder.
 * @throws {GraphError} if its inputs and outputs are not those of an export, and the errors of `openOnnx`
 */
export async function readyHalf(folder: Folder, half: keyof typeof names): Promise<Model> {
  const path = `${half}/model.onnx`;
  const { graph, ...model } = await openOnnx(folder, path);
  const { input, output } = names[half];
  const [taken, given] = [graph.inputs[0], graph.outputs[0]];
  if (graph.inputs.length !== 1 || taken?.name !== input[0] || given?.name !== output[0]) {
    const found = [...graph.inputs, ...graph.outputs].map(({ name }) => name);
    throw new GraphError(
      `vae: the graph ${folder.name}/${path} (${found.join(', ')}) has not "${input[0]}" as its input and "${output[0]}" as its output. Export the model with Optimum.`,
    );
  }
  // A name that the graph uses inside may not be given a second time.
  const renamed = new Map<Value, Value>([
    [taken, { ...taken, name: input[1] }],
    [given, { ...given, name: output[1] }],
  ]);
  const taboo = new Set<string>([input[1], output[1]]);
  for (const { outputs } of graph.nodes) {
    for (const value of outputs) {
      if (taboo.has(value.name) && !renamed.has(value))
        renamed.set(value, { ...value, name: `${value.name} inside` });
    }
  }
  const of = (value: Value) => renamed.get(value) ?? value;
  return {
    ...model,
    graph: { ...graph, inputs: [of(taken)], outputs: [of(given)], nodes: replaceValues(graph.nodes, of) },
  };
}
