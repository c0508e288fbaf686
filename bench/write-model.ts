// Writes a model with the shapes of Stable Diffusion 1.5 and random weights, as diffusers would save it.
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { sizeOf, toFloat16 } from '@emulsion/tensor';
import type { Shapes } from './layers.ts';
import {
  modelIndex,
  schedulerConfig,
  textEncoderConfig,
  textEncoderShapes,
  unetConfig,
  unetShapes,
  vaeConfig,
  vaeShapes,
} from './stable-diffusion-1.ts';
import { xlUnetConfig, xlUnetShapes } from './stable-diffusion-xl.ts';

export const weightTypes = ['fp32', 'fp16'] as const;
export type WeightType = (typeof weightTypes)[number];

const tokenizerFolder = fileURLToPath(new URL('../fixtures/golden/clip-tokenizer/', import.meta.url));
const tokenizerFiles = ['merges.txt', 'vocab.json', 'special_tokens_map.json', 'tokenizer_config.json'];

/**
 * Writes the model into `folder`, unless it is there. The same weights each time: uniform, with the standard
 * deviation at which a layer keeps the size of what it is given, so that nothing overflows; fp16 holds the rounded
 * values of fp32.
 */
export async function writeModel(folder: string, type: WeightType): Promise<void> {
  if (await stat(folder).catch(() => undefined)) return;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  for (const name of ['scheduler', 'tokenizer', 'text_encoder', 'unet', 'vae'])
    await mkdir(join(unfinished, name), { recursive: true });
  const json = (path: string, value: object) =>
    writeFile(join(unfinished, path), JSON.stringify(value, null, 2));
  const weights = (path: string, shapes: Shapes) =>
    pipeline(safetensorsOf(shapes, type), createWriteStream(join(unfinished, path)));
  await json('model_index.json', modelIndex);
  await json('scheduler/scheduler_config.json', schedulerConfig);
  await json('text_encoder/config.json', textEncoderConfig);
  await json('unet/config.json', unetConfig);
  await json('vae/config.json', vaeConfig);
  await weights('text_encoder/model.safetensors', textEncoderShapes());
  await weights('unet/diffusion_pytorch_model.safetensors', unetShapes());
  await weights('vae/diffusion_pytorch_model.safetensors', vaeShapes());
  for (const file of tokenizerFiles)
    await copyFile(join(tokenizerFolder, file), join(unfinished, 'tokenizer', file));
  await rename(unfinished, folder);
}

/** Writes the U-Net of Stable Diffusion XL alone in float16, 5.1 GB, unless it is there. */
export async function writeXlUnet(folder: string): Promise<void> {
  if (await stat(folder).catch(() => undefined)) return;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'config.json'), JSON.stringify(xlUnetConfig, null, 2));
  await pipeline(
    safetensorsOf(xlUnetShapes(), 'fp16'),
    createWriteStream(join(unfinished, 'diffusion_pytorch_model.safetensors')),
  );
  await rename(unfinished, folder);
}

/** The bytes of a safetensors file with random tensors, one after the other. */
function* safetensorsOf(shapes: Shapes, type: WeightType): Generator<Uint8Array> {
  const [dtype, bytes] = type === 'fp32' ? ['F32', 4] : ['F16', 2];
  let end = 0;
  const header: Record<string, object> = {};
  for (const [name, shape] of shapes) {
    const start = end;
    end += sizeOf(shape) * bytes;
    header[name] = { dtype, shape, data_offsets: [start, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Math.ceil(json.length / 8) * 8;
  const opening = Buffer.alloc(8 + length, ' ');
  opening.writeBigUInt64LE(BigInt(length));
  json.copy(opening, 8);
  yield opening;
  let seed = 0;
  for (const [name, shape] of shapes) {
    const values = randomWeights(name, shape, ++seed);
    const { buffer } = type === 'fp32' ? values : toFloat16(values);
    yield new Uint8Array(buffer);
  }
}

function randomWeights(name: string, shape: readonly number[], seed: number): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  if (shape.length === 1) return /norm.*\.weight$/.test(name) ? values.fill(1) : values;
  const limit = Math.sqrt(3 / sizeOf(shape.slice(1)));
  // Xorshift (Marsaglia 2003): good enough for weights that only have to be neither equal nor zero, and fast.
  let state = Math.imul(seed, 0x9e3779b1);
  for (let i = 0; i < values.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = (state / 2 ** 31) * limit;
  }
  return values;
}
