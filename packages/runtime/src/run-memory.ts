// What a run takes of a device's memory.
import { activationMemory, type Model } from '@emulsion/onnx';

/**
 * Bytes that a device takes by those that a graph's values do: its kernels copy some, and blocks of memory are not filled.
 * Measured with onnxruntime on the processor, 1.1 to 1.5 times as much.
 */
const overhead = 1.4;

/**
 * An estimate of the bytes of a run beside the weights, for inputs of `shapes`.
 * @returns `undefined` if the graph does not tell
 * @throws {GraphError} if the shapes do not fit the graph
 */
export function runMemory(
  model: Model,
  shapes: Readonly<Record<string, readonly number[]>>,
): number | undefined {
  const bytes = activationMemory(model, shapes);
  return bytes && Math.ceil(overhead * bytes);
}
