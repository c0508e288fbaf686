// Writes adapters for the model of the benchmarks, with random weights: LoRAs as kohya's scripts save them, and a
// hypernetwork for its text.
import { writeFile } from 'node:fs/promises';
import { type HypernetworkLayer, writeHypernetwork } from '@emulsion/adapters';
import { writeSafetensors } from '@emulsion/checkpoints';
import { createRng, sizeOf, type Tensor, tensor, toFloat16 } from '@emulsion/tensor';
import { unetShapes } from './stable-diffusion-1.ts';

const rng = createRng({ kind: 'numpy-pcg64', seed: 0 });
/** Some small numbers, which are given again and again: to draw as many as there are weights takes its time. */
const { data: drawn } = rng.normal([2 ** 16 + 1]);
let position = 0;
const random = (...dims: number[]): Tensor => {
  const values = Float32Array.from({ length: sizeOf(dims) }, () => {
    position = (position + 1) % drawn.length;
    return 0.02 * drawn[position]!;
  });
  return tensor(values, dims);
};

const halved = ({ data, dims }: Tensor) => tensor(toFloat16(data), dims);

/** The attention layers, and what else kohya's scripts train. */
const isAttention = (name: string) => /\.attn[12]\..*\.weight$/.test(name);
const isTrained = (name: string) =>
  isAttention(name) || /\.(ff\.net\.(0\.proj|2)|proj_in|proj_out)\.weight$/.test(name);

/** Names of the weights of modules that a LoRA is for, with their outputs and inputs. */
const modulesOf = (isTarget: (name: string) => boolean) =>
  [...unetShapes()].flatMap(([name, [out = 0, inputs = 0, ...kernel]]) =>
    isTarget(name) ? [{ name, out, inputs, kernel }] : [],
  );

async function writeLora(path: string, isTarget: typeof isAttention, rank: number): Promise<number> {
  const tensors = Object.fromEntries(
    modulesOf(isTarget).flatMap(({ name, out, inputs, kernel }) => {
      const module = `lora_unet_${name.replace(/\.weight$/, '').replaceAll('.', '_')}`;
      return [
        [`${module}.lora_down.weight`, halved(random(rank, inputs, ...kernel))],
        [`${module}.lora_up.weight`, halved(random(out, rank, ...kernel))],
        [`${module}.alpha`, halved(tensor([rank], []))],
      ];
    }),
  );
  const bytes = writeSafetensors(tensors);
  await writeFile(path, bytes);
  return bytes.length;
}

/** A LoRA of all attention layers. @returns its bytes */
export const writeAttentionLora = (path: string, rank: number): Promise<number> =>
  writeLora(path, isAttention, rank);

/** A LoRA of all that kohya's scripts train, of about so many bytes and a rank that people give. @returns its bytes */
export function writeLargeLora(path: string, bytes: number): Promise<number> {
  const perRank = modulesOf(isTrained).reduce((sum, { out, inputs }) => sum + 2 * (out + inputs), 0);
  return writeLora(path, isTrained, 8 * Math.ceil(bytes / perRank / 8));
}

/** A hypernetwork with layers of [1, 2, 1] times the text's 768 channels. */
export function writeTextHypernetwork(path: string): Promise<void> {
  const width = 768;
  const layers = (): HypernetworkLayer[] => [
    { kind: 'linear', weight: random(2 * width, width), bias: random(2 * width) },
    { kind: 'activation', name: 'relu' },
    { kind: 'linear', weight: random(width, 2 * width), bias: random(width) },
  ];
  const bytes = writeHypernetwork({
    ...{ name: 'bench', step: 0, layerStructure: [1, 2, 1], activation: 'relu', isLayerNorm: false },
    ...{ activateOutput: false, dropoutStructure: [0, 0, 0], weightInitialization: 'Normal' },
    ...{ checkpointHash: undefined, checkpointName: undefined, optionalInfo: undefined },
    ...{ dtype: 'float32', notes: [], widths: new Map([[width, { key: layers(), value: layers() }]]) },
  });
  return writeFile(path, bytes);
}
