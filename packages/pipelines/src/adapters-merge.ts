// Adapters folded into the weights of a network: W' = W + Σ strength · ΔW.
import { mergeBias, mergeWeight, type WeightChange, type Weighted } from '@emulsion/adapters';
import { safetensorsParts } from '@emulsion/checkpoints';
import type { AdaptableNetwork, ModuleAdapter, NetworkAdapter } from '@emulsion/nn';
import type { DataType } from '@emulsion/onnx';
import { InvalidArgumentError, type Tensor, toFloat16 } from '@emulsion/tensor';

/**
 * The weights that adapters change, with the changes in them.
 * @throws {InvalidArgumentError} if a module has no bias and an adapter gives it one
 */
export async function mergedWeights(
  network: AdaptableNetwork,
  adapters: readonly NetworkAdapter[],
): Promise<Map<string, Tensor>> {
  const merged = new Map<string, Tensor>();
  for (const name of changedWeights(network, adapters))
    merged.set(name, await merge(network, adapters, name));
  return merged;
}

/**
 * A network's checkpoint with adapters folded in, as the parts of a safetensors file: in the types and with the names
 * that the network's own has.
 * @throws {InvalidArgumentError} as `mergedWeights`
 */
export async function* mergedCheckpoint(
  network: AdaptableNetwork,
  adapters: readonly NetworkAdapter[],
): AsyncGenerator<Uint8Array> {
  const changed = changedWeights(network, adapters);
  const tensors = [...network.weights.values()].map(({ name, dtype, dims }) => ({
    ...{ name, dtype, dims },
    read: async () =>
      encode(
        name,
        dtype,
        changed.has(name) ? await merge(network, adapters, name) : await network.readWeight(name),
      ),
  }));
  yield* safetensorsParts(tensors, { format: 'pt' });
}

const moduleOf = (weight: string) => weight.replace(/\.(?:weight|bias)$/, '');

function changedWeights(network: AdaptableNetwork, adapters: readonly NetworkAdapter[]): Set<string> {
  const names = new Set<string>();
  for (const { modules } of adapters) {
    for (const [module, { lowRank, delta, bias }] of modules) {
      if (lowRank || delta) names.add(`${module}.weight`);
      if (bias) names.add(`${module}.bias`);
    }
  }
  const missing = [...names].find((name) => !network.weights.has(name));
  if (missing === undefined) return names;
  throw new InvalidArgumentError(
    `adapters: "${missing}" is not in the model, so that nothing can be folded into it. Leave the adapter as it is.`,
  );
}

async function merge(
  network: AdaptableNetwork,
  adapters: readonly NetworkAdapter[],
  name: string,
): Promise<Tensor> {
  const module = moduleOf(name);
  const base = await network.readWeight(name);
  const changes = adapters.flatMap((adapter) => {
    const change = adapter.modules.get(module);
    return change ? [[change, adapter.strength(module, 0)] as const] : [];
  });
  if (!name.endsWith('.bias')) return mergeWeight(base, changes.flatMap(weightChanges));
  return mergeBias(
    base,
    changes.flatMap(([{ bias }, strength]): Weighted<Tensor>[] => (bias ? [[bias, strength]] : [])),
  );
}

function weightChanges([{ lowRank, delta }, strength]: readonly [
  ModuleAdapter,
  number,
]): Weighted<WeightChange>[] {
  const changes: Weighted<WeightChange>[] = [];
  if (lowRank) changes.push([{ form: 'low-rank', ...lowRank }, strength]);
  if (delta) changes.push([{ form: 'full', needsBase: false, delta: () => delta }, strength]);
  return changes;
}

/** The elements of a tensor in the type that a file has them in. */
function encode(name: string, dtype: DataType, { data }: Tensor): Uint8Array {
  const encoded = encodedAs(dtype, data);
  if (encoded) return new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  throw new InvalidArgumentError(`adapters: "${name}" is ${dtype}, which cannot be written.`);
}

function encodedAs(dtype: DataType, data: Float32Array) {
  switch (dtype) {
    case 'float32':
      return data;
    case 'float16':
      return toFloat16(data);
    case 'bfloat16':
      return toBfloat16(data);
    case 'int64':
      return BigInt64Array.from(data, BigInt);
    case 'int32':
      return Int32Array.from(data);
    default:
      return undefined;
  }
}

/** The upper halves of float32 numbers, rounded to the nearest, to an even one between two. */
function toBfloat16(data: Float32Array): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return Uint16Array.from(bits, (value) => (value + 0x7fff + ((value >>> 16) & 1)) >>> 16);
}
