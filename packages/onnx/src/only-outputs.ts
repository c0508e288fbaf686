// The part of a graph that some of its outputs need.
import { GraphError } from './errors.ts';
import type { Model, Value } from './graph.ts';

/**
 * The model with `names` as its only outputs, in the order of the graph, without the nodes, inputs and initializers that
 * none of them needs.
 * @throws {GraphError} if there is no output of a name
 */
export function onlyOutputs(model: Model, names: readonly string[]): Model {
  const { graph } = model;
  const missing = names.find((name) => !graph.outputs.some((output) => output.name === name));
  if (missing !== undefined) {
    throw new GraphError(
      `${graph.name}: there is no output "${missing}" among ${graph.outputs.map(({ name }) => name).join(', ')}.`,
    );
  }
  const outputs = graph.outputs.filter(({ name }) => names.includes(name));
  const needed = new Set<Value>(outputs);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) if (input) needed.add(input);
      return true;
    })
    .toReversed();
  const inputs = graph.inputs.filter((input) => needed.has(input));
  const initializers = graph.initializers.filter(({ value }) => needed.has(value));
  return { ...model, graph: { ...graph, inputs, outputs, nodes, initializers } };
}
