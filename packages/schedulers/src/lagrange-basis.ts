// Polynomials through given points, which multistep methods integrate.

/**
 * The Lagrange basis: polynomial i is 1 at `points[i]` and 0 at the others.
 * @returns their coefficients, the constant one first
 */
export function lagrangeBasis(points: readonly number[]): number[][] {
  return points.map((point, i) => {
    let polynomial = [1];
    for (const [j, other] of points.entries()) {
      if (j === i) continue;
      // Times (x - other) / (point - other).
      const factor = (power: number) => (polynomial[power - 1] ?? 0) - other * (polynomial[power] ?? 0);
      polynomial = Array.from(
        { length: polynomial.length + 1 },
        (_, power) => factor(power) / (point - other),
      );
    }
    return polynomial;
  });
}

/** The sum of `coefficients` times what stands for each power, the constant first. */
export function evaluate(coefficients: readonly number[], powers: (power: number) => number): number {
  return coefficients.reduce((sum, coefficient, power) => sum + coefficient * powers(power), 0);
}
