// Nodes with other values in place of theirs: the first step of most changes to a graph that is there already.
import type { Attribute, Node, Value } from './graph.ts';

/** The same nodes with `of(value)` for each value, those that the graphs inside of them use included. */
export function replaceValues(nodes: readonly Node[], of: (value: Value) => Value): Node[] {
  return nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((value) => value && of(value)),
    outputs: node.outputs.map(of),
    attributes: Object.fromEntries(
      Object.entries(node.attributes).map(([key, attribute]) => [key, replaceInside(attribute, of)]),
    ),
  }));
}

function replaceInside(attribute: Attribute, of: (value: Value) => Value): Attribute {
  if (attribute.kind !== 'graph') return attribute;
  const { value: graph } = attribute;
  return {
    kind: 'graph',
    value: { ...graph, nodes: replaceValues(graph.nodes, of), outputs: graph.outputs.map(of) },
  };
}
