// Latents in a safetensors file, for programs that compare or continue pictures.
import { basename, dirname } from 'node:path';
import { openSafetensors, readTensor, writeSafetensors } from '@emulsion/checkpoints';
import { openFolder } from '@emulsion/runtime-node';
import type { Tensor } from '@emulsion/tensor';
import { UsageError } from './errors.ts';
import { writeWhole } from './output-files.ts';

/**
 * Reads the tensor "latents" of a file, or its only tensor.
 * @throws {UsageError} if it has neither, and the errors of the reader
 */
export async function readLatents(path: string): Promise<Tensor> {
  const folder = await openFolder(dirname(path));
  const weights = await openSafetensors(folder, basename(path));
  const only = weights.size === 1 ? [...weights.values()][0] : undefined;
  const weight = weights.get('latents') ?? only;
  if (!weight) {
    throw new UsageError(
      `--latents: "${path}" has no tensor "latents", but ${[...weights.keys()].join(', ')}. Rename the one that is meant.`,
    );
  }
  return readTensor(folder, weight);
}

/** Writes the tensor "latents". */
export function writeLatents(path: string, latents: Tensor): Promise<void> {
  return writeWhole(path, writeSafetensors({ latents }));
}
