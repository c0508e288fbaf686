// What a picture will take of memory, part by part, worked out before anything is loaded.
import { chooseLeaving } from '@emulsion/runtime';
import { MemoryBudgetError } from './errors.ts';

/** Pictures that memory is planned for. */
export interface PlannedPictures {
  /** Pixels; of an upscaler with `fromImage`, those of the picture that it enlarges. */
  readonly width: number;
  readonly height: number;
  /** How many at a time; 1 unless said otherwise. */
  readonly pictures?: number | undefined;
  /** Whether they are painted from a picture, which is encoded first; false unless said otherwise. */
  readonly fromImage?: boolean | undefined;
}

/** What one part takes. */
export interface ComponentMemory {
  /** For instance `unet`; the autoencoder is `vae encoder` and `vae decoder`. */
  readonly component: string;
  /** Bytes of its weights in the files of the model: exact. */
  readonly storedBytes: number;
  /** Bytes of its weights on the device, where they may have another type. */
  readonly weightBytes: number;
  /**
   * Bytes that it computes with, an estimate; of a U-Net or a ControlNet with guidance, for which it runs with twice the
   * pictures. `undefined` if a ready-made graph does not tell.
   */
  readonly activationBytes: number | undefined;
}

/** What a picture will take. */
export interface MemoryPlan extends Required<PlannedPictures> {
  readonly components: readonly ComponentMemory[];
  /** The most bytes that parts take at one time. The programs themselves take some hundred megabytes more. */
  readonly peakBytes: number;
  /** The budget that was given. */
  readonly budgetBytes: number | undefined;
  /** Parts that leave while a picture is made, to be loaded again for the next. */
  readonly leaving: readonly string[];
  /** Whether the picture is decoded by tiles. */
  readonly vaeTiling: boolean;
}

/** A part, and when it is needed. */
export interface PlannedPart extends ComponentMemory {
  /** Its place in the order in which parts are needed, from 0. */
  readonly stage: number;
}

/**
 * Goes through the stages of two pictures, since the second finds loaded what the first has left.
 * @param parts in the order in which they are needed
 * @param stages how many there are
 * @param limit bytes that they may take together, if that is possible
 */
export function rehearse(
  parts: readonly PlannedPart[],
  stages: number,
  limit: number,
): { peakBytes: number; leaving: string[] } {
  const resident = new Map<PlannedPart, { part: PlannedPart; stage: number; bytes: number }>();
  const taken = () => [...resident.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const leaving = new Set<string>();
  let peakBytes = 0;
  for (const part of [...parts, ...parts]) {
    const needed = totalOf(part);
    resident.delete(part);
    const others = [...resident.values()].filter(({ stage }) => stage !== part.stage);
    const shortage = { bytes: taken() + needed - limit, stage: part.stage, stages };
    for (const other of chooseLeaving(others, shortage)) {
      resident.delete(other.part);
      leaving.add(other.part.component);
    }
    resident.set(part, { part, stage: part.stage, bytes: needed });
    peakBytes = Math.max(peakBytes, taken());
  }
  return { peakBytes, leaving: [...leaving] };
}

/** @throws {MemoryBudgetError} if pictures take more than a budget that was given */
export function assertWithinBudget({ components, peakBytes, budgetBytes, width, height }: MemoryPlan): void {
  if (budgetBytes === undefined || peakBytes <= budgetBytes) return;
  const largest = components.reduce((a, b) => (totalOf(b) > totalOf(a) ? b : a));
  const { component, weightBytes, activationBytes = 0 } = largest;
  throw new MemoryBudgetError(
    { component, neededBytes: peakBytes, budgetBytes },
    `memoryBudget: a picture of ${width}×${height} takes ${formatBytes(peakBytes)} at least, and the budget is ${formatBytes(budgetBytes)}. The largest part is ${component}, with ${formatBytes(weightBytes)} of weights and ${formatBytes(activationBytes)} to compute with. Give a larger budget, a smaller size or smaller weights.`,
  );
}

const totalOf = ({ weightBytes, activationBytes = 0 }: ComponentMemory) => weightBytes + activationBytes;

/** Bytes in the unit that suits them: 700 kB, 3.4 MB, 1.2 GB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
