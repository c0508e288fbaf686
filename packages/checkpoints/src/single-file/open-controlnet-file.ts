// A ControlNet in one file, as its authors and most who train one publish it, as the folder of one in diffusers layout.
import { UnsupportedFileError } from '../errors.ts';
import type { Folder } from '../folder.ts';
import { memoryFolder } from '../memory-folder.ts';
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, withoutPrefix } from './converted-component.ts';
import { describeControlNet, diffusersControlNetMark } from './diffusers-controlnet.ts';
import { controlNetMark, convertControlNet } from './ldm-controlnet.ts';
import { readGiven, readModelFile, singleFileFolder } from './open-single-file.ts';

export interface OpenControlNetFileOptions {
  /**
   * The folder of a ControlNet whose config.json tells what shapes do not: the number of heads, for instance. Unless it is
   * given, that of the file may have one.
   */
  readonly config?: Folder | undefined;
}

/** What stands before the names; files that hold nothing else may do without. */
const prefixes = ['control_model.', ''];

/**
 * Opens a `.safetensors`, `.pth` or `.ckpt` with a ControlNet, in the names of its authors or of diffusers, as if it were
 * the folder of one. Its configuration is told by the weights' shapes; weights stay in the file.
 * @throws {UnsupportedFileError} if it holds something else, and the errors of `openSafetensors` and `openPytorch`
 */
export async function openControlNetFile(
  folder: Folder,
  path: string,
  { config }: OpenControlNetFileOptions = {},
): Promise<Folder> {
  const whole = convert((await readModelFile(folder, path)).weights);
  if (!whole) {
    throw new UnsupportedFileError(
      folder,
      path,
      `it is not a ControlNet: it has neither "${controlNetMark}", with "control_model." before it or not, nor "${diffusersControlNetMark}"`,
      'Give a ControlNet with all its weights, or the folder of one in diffusers layout.',
    );
  }
  const beside = await readGiven(config ?? folder, 'config.json');
  const given = config || beside?._class_name === 'ControlNetModel' ? beside : undefined;
  const json = JSON.stringify({ ...whole.assumed, ...given, ...whole.measured });
  const files = memoryFolder({ 'config.json': json }, `${folder.name}/${path}`);
  return singleFileFolder(folder, path, files, { whole });
}

function convert(weights: Weights): ConvertedComponent | undefined {
  if (weights.has(diffusersControlNetMark)) return describeControlNet(weights);
  const prefix = prefixes.find((start) => weights.has(start + controlNetMark));
  return prefix === undefined ? undefined : convertControlNet(withoutPrefix(weights, prefix));
}
