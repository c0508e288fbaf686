// How far a painting is when the network is asked, for adapters whose strength changes on the way.

/**
 * The share of the steps that is done, from 0 to 1, by the sampler's index of an evaluation; always 0 if it is not known
 * how many there are. Samplers count from the plan's first step, or from the one that they begin with.
 */
export function stepProgress(totalSteps: number | undefined): (step: number) => number {
  let first: number | undefined;
  return (step) => {
    first ??= step;
    return totalSteps === undefined ? 0 : Math.min((step - first) / totalSteps, 1);
  };
}
