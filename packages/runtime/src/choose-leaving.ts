// Which of the loaded sessions leave when another needs room: the one that is needed last (Belady 1966), since a picture
// goes through its stages in a known order, again and again.

/** Something that is loaded. */
export interface Resident {
  /** Its place in the order in which sessions are needed, from 0. */
  readonly stage: number;
  /** What is free when it has left. */
  readonly bytes: number;
}

/** What room is made for. */
export interface Shortage {
  /** Bytes that are to become free. */
  readonly bytes: number;
  /** The stage that is about to run, of so many that come in turn. */
  readonly stage: number;
  readonly stages: number;
}

/**
 * Chooses what leaves: what is needed last goes first, and nothing goes whose room is not needed.
 * @returns all candidates, if not even that is enough
 */
export function chooseLeaving<Candidate extends Resident>(
  candidates: readonly Candidate[],
  { bytes, stage, stages }: Shortage,
): Candidate[] {
  const wait = (candidate: Candidate) => (candidate.stage - stage + stages) % stages;
  const leaving: Candidate[] = [];
  let free = 0;
  for (const candidate of candidates.toSorted((a, b) => wait(b) - wait(a))) {
    if (free >= bytes) break;
    leaving.push(candidate);
    free += candidate.bytes;
  }
  // The last one may have made the others' room needless; what is needed soonest is spared first.
  for (const candidate of leaving.toReversed()) {
    if (free - candidate.bytes < bytes) continue;
    leaving.splice(leaving.indexOf(candidate), 1);
    free -= candidate.bytes;
  }
  return leaving;
}
