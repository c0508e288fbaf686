// Finds a Python to compare with.
import { execFileSync } from 'node:child_process';

/** A Python that can import `modules`: the one that EMULSION_BENCH_PYTHON names, or `python3`. */
export function findPython(...modules: string[]): string | undefined {
  const python = process.env.EMULSION_BENCH_PYTHON ?? 'python3';
  try {
    execFileSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
    return python;
  } catch {
    process.stderr.write(
      `${python} has not all of ${modules.join(', ')}: measuring without torch. EMULSION_BENCH_PYTHON names another.\n`,
    );
    return undefined;
  }
}
