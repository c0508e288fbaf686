// How an ancestral sampler splits a step: down to less noise than wanted, then noise added up to it.

/** The level that the deterministic part goes to, and the deviation of the noise that is added then. */
export interface AncestralStep {
  readonly sigmaDown: number;
  readonly sigmaUp: number;
}

/**
 * The split of a step for which the marginal variance is that of `sigmaTo` (variance exploding).
 * @param eta 1 adds the noise of DDPM's posterior, 0 none
 */
export function ancestralStep(sigmaFrom: number, sigmaTo: number, eta = 1): AncestralStep {
  const posterior = Math.sqrt((sigmaTo ** 2 * (sigmaFrom ** 2 - sigmaTo ** 2)) / sigmaFrom ** 2);
  const sigmaUp = Math.min(sigmaTo, eta * posterior);
  return { sigmaDown: Math.sqrt(sigmaTo ** 2 - sigmaUp ** 2), sigmaUp };
}
