// Models as the bytes of an .onnx file (protobuf, onnx.proto).
import type { ByteRange, FileRef } from './byte-range.ts';
import { dataTypeNumbers } from './data-type.ts';
import {
  type Attribute,
  type Dim,
  type Graph,
  type Initializer,
  isByteRange,
  type Model,
  type Node,
  type Value,
} from './graph.ts';
import {
  type AttributeProto,
  attributeTypes,
  type DimensionProto,
  externalLocation,
  type GraphProto,
  modelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx-proto.ts';
import { type Draft, toBytes } from './protobuf.ts';

/** How the file of an external initializer is called in the written model. */
export type Locate = (file: FileRef) => string;

function dimension(dim: Dim): Draft<DimensionProto> {
  if (dim === undefined) return {};
  return typeof dim === 'number' ? { dimValue: BigInt(dim) } : { dimParam: dim };
}

function valueInfo({ name, type }: Value): Draft<ValueInfoProto> {
  if (!type) return { name };
  const { dataType, shape } = type;
  const tensorType = {
    elemType: dataTypeNumbers[dataType],
    ...(shape && { shape: { dim: shape.map(dimension) } }),
  };
  return { name, type: { tensorType } };
}

/** Outputs keep their type and rank only: a free size has a name of its own there, which would bind it. */
const outputInfo = ({ name, type }: Value): Draft<ValueInfoProto> =>
  valueInfo({
    name,
    ...(type && {
      type: {
        dataType: type.dataType,
        ...(type.shape && { shape: type.shape.map((dim) => (typeof dim === 'number' ? dim : undefined)) }),
      },
    }),
  });

const externalData = ({ file, offset, length }: ByteRange, locate: Locate) => ({
  dataLocation: externalLocation,
  externalData: Object.entries({ location: locate(file), offset: `${offset}`, length: `${length}` }).map(
    ([key, value]) => ({ key, value }),
  ),
});

function tensorProto(
  name: string,
  { dataType, dims, data }: Omit<Initializer, 'value'>,
  locate: Locate,
): Draft<TensorProto> {
  return {
    name,
    dataType: dataTypeNumbers[dataType],
    dims: dims.map(BigInt),
    ...(isByteRange(data) ? externalData(data, locate) : { rawData: data }),
  };
}

const utf8 = new TextEncoder();

function attributeProto(name: string, attribute: Attribute, locate: Locate): Draft<AttributeProto> {
  const type = attributeTypes;
  switch (attribute.kind) {
    case 'int':
      return { name, type: type.INT, i: BigInt(attribute.value) };
    case 'float':
      return { name, type: type.FLOAT, f: attribute.value };
    case 'string':
      return { name, type: type.STRING, s: utf8.encode(attribute.value) };
    case 'ints':
      return { name, type: type.INTS, ints: attribute.value.map(BigInt) };
    case 'floats':
      return { name, type: type.FLOATS, floats: attribute.value };
    case 'strings':
      return { name, type: type.STRINGS, strings: attribute.value.map((text) => utf8.encode(text)) };
    case 'tensor':
      return { name, type: type.TENSOR, t: tensorProto('', attribute.value, locate) };
    case 'graph':
      return { name, type: type.GRAPH, g: graphProto(attribute.value, locate) };
  }
}

function nodeProto(
  { opType, domain, name, inputs, outputs, attributes }: Node,
  locate: Locate,
): Draft<NodeProto> {
  return {
    opType,
    domain,
    name,
    input: inputs.map((input) => input?.name ?? ''),
    output: outputs.map((output) => output.name),
    attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value, locate)),
  };
}

function graphProto(graph: Graph, locate: Locate): Draft<GraphProto> {
  return {
    name: graph.name,
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(outputInfo),
    node: graph.nodes.map((node) => nodeProto(node, locate)),
    initializer: graph.initializers.map((initializer) =>
      tensorProto(initializer.value.name, initializer, locate),
    ),
  };
}

/**
 * The bytes of an .onnx file. Weights that lie in files are referred to, not copied.
 * @param locate names the files of external weights, as the runtime will look for them
 */
export function writeModel({ graph, opsetVersions }: Model, locate: Locate): Uint8Array {
  return toBytes(modelProto, {
    irVersion: 9n,
    producerName: 'emulsion',
    opsetImport: Object.entries(opsetVersions).map(([domain, version]) => ({
      domain,
      version: BigInt(version),
    })),
    graph: graphProto(graph, locate),
  });
}
