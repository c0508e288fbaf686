// The recorded tables of betas, which stand beside the cases of the scheduler area.
import { openSafetensors } from '@emulsion/checkpoints';
import { goldenUrl, openFolderAt } from '@emulsion/testing';
import { type GoldenArray, readArray } from './golden-array.ts';

/** The config of a scheduler, and its tables as they were recorded. */
export interface NoiseScheduleCase {
  readonly id: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly betas: GoldenArray;
  readonly alphasCumprod: GoldenArray;
}

interface CommonJson {
  readonly file: string;
  readonly cases: readonly {
    readonly id: string;
    readonly cls: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly key_prefix: string;
  }[];
}

/** The cases of schedulers/common.json; none if the folder does not have it. */
export async function readNoiseSchedules(): Promise<NoiseScheduleCase[]> {
  const folder = (await openFolderAt(goldenUrl)).subfolder('schedulers');
  if (!(await folder.has('common.json'))) return [];
  // The format is fixed by the generator; a field that is not as declared shows as a failing case.
  const { file, cases } = JSON.parse(
    new TextDecoder().decode(await folder.read('common.json')),
  ) as CommonJson;
  const weights = await openSafetensors(folder, file);
  const table = async (name: string) => {
    const weight = weights.get(name);
    if (!weight) throw new Error(`golden: ${file} has no array "${name}".`);
    return readArray(folder, weight);
  };
  return Promise.all(
    cases.map(async ({ id, cls, config, key_prefix }) => ({
      id,
      config: { _class_name: cls, ...config },
      betas: await table(`${key_prefix}betas`),
      alphasCumprod: await table(`${key_prefix}alphas_cumprod`),
    })),
  );
}
