// Adapter files for tests: tensors of random numbers, written and read again.
import { memoryFolder, writeSafetensors } from '@emulsion/checkpoints';
import { createRng, sizeOf, type Tensor, tensor } from '@emulsion/tensor';
import { loadLora } from '../lora/load-lora.ts';
import type { ModelModules } from '../model-modules.ts';

/** Random tensors that are the same in each run. */
export function randomTensors(seed: number) {
  const rng = createRng({ kind: 'numpy', seed });
  return (...dims: number[]): Tensor => {
    const draws = rng.normal(dims);
    return tensor(
      Float32Array.from({ length: sizeOf(dims) }, (_, i) => Number(draws.data[i])),
      dims,
    );
  };
}

/** Opens a file with these tensors as the adapter `a.safetensors`. */
export const loadTensors = (
  model: ModelModules,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
) =>
  loadLora(
    memoryFolder({ 'a.safetensors': writeSafetensors(tensors, metadata) }, 'adapters'),
    'a.safetensors',
    { model },
  );

/** An element of a tensor by its indices. */
export const at = ({ data, dims }: Tensor, ...indices: number[]): number =>
  data[indices.reduce((offset, index, axis) => offset * dims[axis]! + index, 0)]!;

/** A sum over 0 … count − 1. */
export function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}
