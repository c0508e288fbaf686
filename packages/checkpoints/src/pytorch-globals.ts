// What the pickles of PyTorch's files name: storages, the functions that make tensors of them, and plain containers.
import type { ByteRange, DataType } from '@emulsion/onnx';
import { type PickleFunction, PickleObject, PickleProblem } from './unpickle.ts';
import type { Weight } from './weight.ts';

/** Elements of one type, one after the other, kept outside of the pickle under a key. */
export class Storage {
  readonly dtype: DataType;
  readonly key: string;
  readonly length: number;
  /** The tensors that are made of them. */
  readonly tensors: PickledTensor[] = [];

  constructor(dtype: DataType, key: string, length: number) {
    this.dtype = dtype;
    this.key = key;
    this.length = length;
  }
}

/** A tensor as the pickle describes it: which elements of which storage it is. A weight once its bytes are found. */
export class PickledTensor implements Weight {
  readonly name = '';
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly storage: Storage;
  /** Elements of the storage before the first one. */
  readonly offset: number;
  /** Elements of the storage from one place of a dimension to the next. */
  readonly strides: readonly number[];
  path = '';
  range: ByteRange = { file: { kind: 'bytes', name: '', bytes: new Uint8Array() }, offset: 0, length: 0 };

  constructor(
    storage: Storage,
    dtype: DataType,
    offset: number,
    dims: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.dims = dims;
    this.strides = strides;
    storage.tensors.push(this);
  }
}

/** PyTorch's names of element types, and those of the storages that have them. */
const elementTypes: readonly (readonly [dtype: string, storage: string | undefined, type: DataType])[] = [
  ['float32', 'FloatStorage', 'float32'],
  ['float64', 'DoubleStorage', 'float64'],
  ['float16', 'HalfStorage', 'float16'],
  ['bfloat16', 'BFloat16Storage', 'bfloat16'],
  ['int8', 'CharStorage', 'int8'],
  ['int16', 'ShortStorage', 'int16'],
  ['int32', 'IntStorage', 'int32'],
  ['int64', 'LongStorage', 'int64'],
  ['uint8', 'ByteStorage', 'uint8'],
  ['bool', 'BoolStorage', 'bool'],
  ['uint16', undefined, 'uint16'],
  ['uint32', undefined, 'uint32'],
  ['uint64', undefined, 'uint64'],
];

/** Names that stand for an element type: of themselves they are called by nobody. */
const typeOf = new Map<PickleFunction, DataType>();

function typeName(type: DataType): PickleFunction {
  const name: PickleFunction = () => {
    throw new PickleProblem('its pickle calls an element type');
  };
  typeOf.set(name, type);
  return name;
}

/** Classes of which nothing but their place is wanted: as keys and values beside the weights. */
const classNames = [
  'torch.device',
  'torch.nn.modules.container.ParameterDict',
  'numpy.dtype',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  '_codecs.encode',
  'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
];

const rebuild: PickleFunction = ([storage, offset, dims, strides]) =>
  storage instanceof Storage
    ? makeTensor(storage, storage.dtype, offset, dims, strides)
    : refuse('a tensor without a storage');

const rebuildTyped: PickleFunction = ([storage, offset, dims, strides, , , type]) => {
  const dtype = typeOf.get(type as PickleFunction); // whatever else it is, it is no key
  if (!(storage instanceof Storage) || !dtype) return refuse('a tensor without a storage or a type');
  return makeTensor(storage, dtype, offset, dims, strides);
};

const firstArgument: PickleFunction = ([value]) => value;

const globals: ReadonlyMap<string, PickleFunction> = new Map<string, PickleFunction>([
  ['collections.OrderedDict', ([pairs = []]) => mapOf(pairs)],
  ['builtins.set', ([items = []]) => new Set(listOf(items))],
  ['__builtin__.set', ([items = []]) => new Set(listOf(items))],
  ['torch.Size', firstArgument],
  ['torch._utils._rebuild_tensor', rebuild],
  ['torch._utils._rebuild_tensor_v2', rebuild],
  ['torch._utils._rebuild_tensor_v3', rebuildTyped],
  ['torch._utils._rebuild_parameter', firstArgument],
  ['torch._utils._rebuild_parameter_with_state', firstArgument],
  ['torch.storage.UntypedStorage', typeName('uint8')],
  ['torch.UntypedStorage', typeName('uint8')],
  ...elementTypes.flatMap(([dtype, storage, type]): [string, PickleFunction][] => [
    [`torch.${dtype}`, typeName(type)],
    ...(storage === undefined ? [] : [[`torch.${storage}`, typeName(type)] as [string, PickleFunction]]),
  ]),
  ...classNames.map((name): [string, PickleFunction] => [name, (args) => new PickleObject(name, args)]),
]);

/** What a name of PyTorch's files stands for; `undefined` for all other names. */
export const pytorchGlobal = (module: string, name: string): PickleFunction | undefined =>
  globals.get(`${module}.${name}`);

/** The storage that a persistent id names: `('storage', type, key, location, length, …)`. */
export function storageOf(id: unknown): Storage {
  if (!Array.isArray(id) || id[0] !== 'storage') return refuse('an id that names no storage');
  const [, type, key, , length, part = null] = id;
  const dtype = typeOf.get(type);
  if (!dtype || typeof key !== 'string' || !isCount(length)) return refuse('an id that names no storage');
  if (part !== null) return refuse('a storage that is part of another one');
  return new Storage(dtype, key, length);
}

function makeTensor(
  storage: Storage,
  dtype: DataType,
  offset: unknown,
  dims: unknown,
  strides: unknown,
): PickledTensor {
  if (!isCount(offset) || !areCounts(dims) || !areCounts(strides) || dims.length !== strides.length) {
    return refuse('a tensor whose size is none');
  }
  return new PickledTensor(storage, dtype, offset, dims, strides);
}

function refuse(what: string): never {
  throw new PickleProblem(`its pickle has ${what}`);
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const areCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : refuse('a list that is none');

function mapOf(pairs: unknown): Map<unknown, unknown> {
  return new Map(
    listOf(pairs).map((pair): [unknown, unknown] =>
      Array.isArray(pair) && pair.length === 2 ? [pair[0], pair[1]] : refuse('a pair that is none'),
    ),
  );
}
