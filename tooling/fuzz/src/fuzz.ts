// Opens changed copies of a file: each opens soundly, or fails with an error of Emulsion's, soon and in little memory.
import { EmulsionError } from '@emulsion/tensor';
import { mutate } from './mutate.ts';
import type { Target } from './targets.ts';

/** What became of the copies. */
export interface FuzzCounts {
  readonly opened: number;
  readonly refused: number;
  /** The longest that one took, in milliseconds. */
  readonly slowest: number;
}

/** Longest message that is not a file's own text in disguise. */
const maxMessageLength = 1500;

/**
 * Opens copies `from` to `to` (excluded) of a target's file.
 * @throws {Error} with the number of the copy that failed otherwise than with an error of Emulsion's
 */
export async function fuzz(
  { name, file, kind, hot, open }: Target,
  from: number,
  to: number,
  before: (copy: number) => void = () => undefined,
): Promise<FuzzCounts> {
  let [opened, refused, slowest] = [0, 0, 0];
  for (let copy = from; copy < to; copy++) {
    before(copy);
    const changed = mutate(file, copy, hot, kind);
    const start = performance.now();
    try {
      await open(changed);
      opened++;
    } catch (error) {
      if (!EmulsionError.is(error) || error.message.length > maxMessageLength) {
        throw new Error(`copy ${copy} of ${name}`, { cause: error });
      }
      refused++;
    }
    slowest = Math.max(slowest, performance.now() - start);
  }
  return { opened, refused, slowest };
}
