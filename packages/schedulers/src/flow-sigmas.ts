// Noise levels of rectified flows, shifted towards noise for larger pictures (Esser et al. 2024, section 5.3.2).

/** A level shifted by a factor: 1 changes nothing, above 1 more steps lie near the noise. */
export function shiftSigma(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}

/** How `mu` shifts the levels. */
export const timeShiftTypes = ['exponential', 'linear'] as const;
export type TimeShiftType = (typeof timeShiftTypes)[number];

/** A level shifted by `mu`: by the factor e^mu, or by mu itself. */
export function timeShift(sigma: number, mu: number, type: TimeShiftType): number {
  return shiftSigma(sigma, type === 'exponential' ? Math.exp(mu) : mu);
}

/** Levels stretched so that the last is `terminal`, while 1 stays. */
export function stretchToTerminal(sigmas: readonly number[], terminal: number): number[] {
  const factor = (1 - sigmas.at(-1)!) / (1 - terminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / factor);
}
