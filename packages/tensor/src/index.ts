export { assertSameDims } from './assert-same-dims.ts';
export { cpuOps } from './cpu-ops.ts';
export { allocate, bytesPerElement, type DType, dtypes, type TensorData } from './dtype.ts';
export { EmulsionError, InvalidArgumentError, ShapeError } from './errors.ts';
export { fromFloat16, toFloat16 } from './float16.ts';
export { type HalfFormat, HalfTensor, reshape, widen } from './half-tensor.ts';
export {
  type InterpolationMode,
  interpolationModes,
  type Resizing,
  resizing,
  type Taps,
} from './interpolate.ts';
export { joinedDims } from './joined-dims.ts';
export { philox4x32, type Words4 } from './philox.ts';
export { type DrawDType, drawDtypes } from './random-source.ts';
export { createRng, type Drawn, type Rng, type RngKind, type RngOptions, rngKinds } from './rng.ts';
export { type AnyTensor, sizeOf, type Tensor, tensor, zeros } from './tensor.ts';
export type { SumMemory, TensorOps, Term } from './tensor-ops.ts';
