// Models as the bytes of an .onnx file (protobuf, onnx.proto).
import { create, toBinary } from '@bufbuild/protobuf';
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
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.js';

/** How the file of an external initializer is called in the written model. */
export type Locate = (file: FileRef) => string;

const dimension = (dim: Dim) =>
  create(TensorShapeProto_DimensionSchema, {
    value:
      typeof dim === 'number'
        ? { case: 'dimValue', value: BigInt(dim) }
        : dim === undefined
          ? { case: undefined }
          : { case: 'dimParam', value: dim },
  });

function valueInfo({ name, type }: Value): ValueInfoProto {
  if (!type) return create(ValueInfoProtoSchema, { name });
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: dataTypeNumbers[type.dataType],
    ...(type.shape && { shape: create(TensorShapeProtoSchema, { dim: type.shape.map(dimension) }) }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } }),
  });
}

/** Outputs keep their type and rank only: a free size has a name of its own there, which would bind it. */
const outputInfo = ({ name, type }: Value): ValueInfoProto =>
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
  dataLocation: TensorProto_DataLocation.EXTERNAL,
  externalData: Object.entries({ location: locate(file), offset: `${offset}`, length: `${length}` }).map(
    ([key, value]) => ({ $typeName: 'onnx.StringStringEntryProto' as const, key, value }),
  ),
});

function tensorProto(
  name: string,
  { dataType, dims, data }: Omit<Initializer, 'value'>,
  locate: Locate,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: dataTypeNumbers[dataType],
    dims: dims.map(BigInt),
    ...(isByteRange(data) ? externalData(data, locate) : { rawData: data }),
  });
}

const utf8 = new TextEncoder();

function attributeProto(name: string, attribute: Attribute, locate: Locate): AttributeProto {
  const type = AttributeProto_AttributeType;
  switch (attribute.kind) {
    case 'int':
      return create(AttributeProtoSchema, { name, type: type.INT, i: BigInt(attribute.value) });
    case 'float':
      return create(AttributeProtoSchema, { name, type: type.FLOAT, f: attribute.value });
    case 'string':
      return create(AttributeProtoSchema, { name, type: type.STRING, s: utf8.encode(attribute.value) });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: type.INTS, ints: attribute.value.map(BigInt) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: type.FLOATS, floats: [...attribute.value] });
    case 'strings':
      return create(AttributeProtoSchema, {
        name,
        type: type.STRINGS,
        strings: attribute.value.map((text) => utf8.encode(text)),
      });
    case 'tensor':
      return create(AttributeProtoSchema, {
        name,
        type: type.TENSOR,
        t: tensorProto('', attribute.value, locate),
      });
    case 'graph':
      return create(AttributeProtoSchema, { name, type: type.GRAPH, g: graphProto(attribute.value, locate) });
  }
}

const nodeProto = ({ opType, domain, name, inputs, outputs, attributes }: Node, locate: Locate) =>
  create(NodeProtoSchema, {
    opType,
    domain,
    name,
    input: inputs.map((input) => input?.name ?? ''),
    output: outputs.map((output) => output.name),
    attribute: Object.entries(attributes).map(([key, value]) => attributeProto(key, value, locate)),
  });

function graphProto(graph: Graph, locate: Locate): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(outputInfo),
    node: graph.nodes.map((node) => nodeProto(node, locate)),
    initializer: graph.initializers.map((initializer) =>
      tensorProto(initializer.value.name, initializer, locate),
    ),
  });
}

/**
 * The bytes of an .onnx file. Weights that lie in files are referred to, not copied.
 * @param locate names the files of external weights, as the runtime will look for them
 */
export function writeModel({ graph, opsetVersions }: Model, locate: Locate): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    producerName: 'emulsion',
    opsetImport: Object.entries(opsetVersions).map(([domain, version]) => ({
      $typeName: 'onnx.OperatorSetIdProto' as const,
      domain,
      version: BigInt(version),
    })),
    graph: graphProto(graph, locate),
  });
  return toBinary(ModelProtoSchema, model);
}
