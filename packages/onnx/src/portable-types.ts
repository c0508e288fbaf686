// A ready-made graph behind the types that every device takes and gives.
import { type DataType, dataTypeNumbers } from './data-type.ts';
import type { Model, Node, Value } from './graph.ts';
import { replaceValues } from './replace-values.ts';

/** What a device is fed instead of a type: half precision fails on some, and 64-bit integers leave the GPU. */
const portable: Partial<Record<DataType, DataType>> = {
  float16: 'float32',
  bfloat16: 'float32',
  float64: 'float32',
  int64: 'int32',
};

const castTo = (input: Value, output: Value, dataType: DataType): Node => ({
  opType: 'Cast',
  domain: '',
  name: `${input.name} to ${dataType}`,
  inputs: [input],
  outputs: [output],
  attributes: { to: { kind: 'int', value: dataTypeNumbers[dataType] } },
});

/** The same graph with inputs and outputs of types float32 and int32, under the same names, and casts behind them. */
export function withPortableTypes(model: Model): Model {
  const { graph } = model;
  const casts: Node[] = [];
  const replaced = new Map<Value, Value>();
  const inputs = graph.inputs.map((input) => {
    const { type } = input;
    const dataType = type && portable[type.dataType];
    if (!dataType) return input;
    const outer: Value = { name: input.name, type: { ...type, dataType } };
    const inner: Value = { name: `${input.name} as ${type.dataType}`, type };
    casts.push(castTo(outer, inner, type.dataType));
    replaced.set(input, inner);
    return outer;
  });
  const outputs = graph.outputs.map((output) => {
    const { type } = output;
    const dataType = type && portable[type.dataType];
    if (!dataType) return output;
    // What gives the output gives the same under another name.
    replaced.set(output, { name: `${output.name} as ${type.dataType}`, type });
    return { name: output.name, type: { ...type, dataType } };
  });
  if (replaced.size === 0) return model;
  const of = (value: Value) => replaced.get(value) ?? value;
  const after = graph.outputs.flatMap((output, i) => {
    const wanted = outputs[i]!;
    return wanted === output ? [] : [castTo(of(output), wanted, wanted.type!.dataType)];
  });
  return {
    ...model,
    graph: { ...graph, inputs, outputs, nodes: [...casts, ...replaceValues(graph.nodes, of), ...after] },
  };
}
