// What k-diffusion (commit 4601bf0) gives for data of deviation 0.5, in float64: sampling.py with a model that
// is the perfect denoiser, x = 8, `get_sigmas_karras(8, 0.1, 10)`, eta = 0.7, s_noise = 0.9 and noise that is always 0.5.
import { expect, test } from 'vitest';
import { dpmAdaptive } from './dpm-adaptive.ts';
import { dpmFast } from './dpm-fast.ts';
import { dpmSolver2SAncestral } from './dpm-solver-2s-ancestral.ts';
import {
  dpmSolverPlusPlusMultistep,
  multistep,
  sdeDpmSolverPlusPlusMultistep,
} from './dpm-solver-multistep.ts';
import { dpmSolverSde } from './dpm-solver-sde.ts';
import { dpm2, dpm2Ancestral } from './dpm2.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './euler-ancestral.ts';
import { halvedCurvature, stochasticDataIntegrator } from './exponential-step.ts';
import { heun } from './heun.ts';
import { karrasSigmas } from './karras-sigmas.ts';
import { lms } from './lms.ts';
import { varianceExploding } from './noise-level.ts';
import { polyexponentialSigmas } from './polyexponential-sigmas.ts';
import type { Sampler } from './sampler.ts';
import { precise, preciseOps, runDenoised } from './testing/gaussian-problem.ts';
import { vpSigmas } from './vp-sigmas.ts';

const levels = (steps: number) => {
  const sigmas = karrasSigmas({ steps, sigmaMin: 0.1, sigmaMax: 10 });
  const timesteps = sigmas.slice(0, -1);
  return { ops: preciseOps, sample: precise(8), sigmas, timesteps, timestepOf: (sigma: number) => sigma };
};
const path = levels(8);
const noisy = { noise: () => precise(0.5), eta: 0.7, sNoise: 0.9 };
const process = varianceExploding;
const sde = { ...path, ...noisy, process, lowerOrderFinal: false };

const results: Record<string, [sampler: () => Sampler, result: number]> = {
  sample_euler: [() => euler(path), 0.3281961673779321],
  sample_heun: [() => heun(path), 0.4189549571493004],
  sample_dpm_2: [() => dpm2(path), 0.4063765654202244],
  sample_lms: [() => lms(path), 0.3756897681531708],
  sample_dpmpp_2m: [
    () => dpmSolverPlusPlusMultistep({ ...path, process, lowerOrderFinal: false }),
    0.39763077887503234,
  ],
  sample_euler_ancestral: [() => eulerAncestral({ ...path, ...noisy }), 0.5298065466866884],
  sample_dpm_2_ancestral: [() => dpm2Ancestral({ ...path, ...noisy }), 0.7125232920224686],
  sample_dpmpp_2s_ancestral: [() => dpmSolver2SAncestral({ ...path, ...noisy }), 0.636015689904413],
  sample_dpmpp_sde: [() => dpmSolverSde({ ...path, ...noisy }), 0.6544143694945469],
  sample_dpmpp_2m_sde: [() => sdeDpmSolverPlusPlusMultistep(sde), 0.5667318231700205],
  'sample_dpmpp_2m_sde, solver_type heun': [
    () => sdeDpmSolverPlusPlusMultistep({ ...sde, solverType: 'heun' }),
    0.6007182478776268,
  ],
  sample_dpmpp_3m_sde: [
    () =>
      multistep(
        halvedCurvature((from, to) => stochasticDataIntegrator(from, to, noisy.eta)),
        { ...sde, solverType: 'heun', order: 3 },
      ),
    0.6302730830146814,
  ],
  'sample_dpm_fast, n 8': [() => dpmFast({ ...path, ...noisy, eta: 0 }), 0.4416499828852738],
  'sample_dpm_fast, n 9 with noise': [() => dpmFast({ ...levels(9), ...noisy }), 0.5677457420327112],
  sample_dpm_adaptive: [() => dpmAdaptive({ ...path, ...noisy, eta: 0 }), 0.4237599625774127],
  'sample_dpm_adaptive, order 2': [
    () => dpmAdaptive({ ...path, ...noisy, eta: 0, order: 2 }),
    0.4345773461659495,
  ],
  'sample_dpm_adaptive, eta 0.5': [() => dpmAdaptive({ ...path, ...noisy, eta: 0.5 }), 0.6553862249687831],
};

for (const [name, [sampler, result]] of Object.entries(results)) {
  test(`${name} ends where k-diffusion's does`, () => {
    expect(runDenoised(sampler())).toBeCloseTo(result, 9);
  });
}

test('polyexponential and VP levels are those of k-diffusion', () => {
  const polyexponential = polyexponentialSigmas({ steps: 5, sigmaMin: 0.1, sigmaMax: 10, rho: 1.5 });
  const expected = [10, 1.9908480114403397, 0.5094561170451298, 0.17782794100389232, 0.1, 0];
  for (const [i, sigma] of polyexponential.entries()) expect(sigma).toBeCloseTo(expected[i]!, 10);
  const vp = [152.1669702839464, 9.4031965545555, 1.4619718278116118, 0.010485992786706403, 0];
  for (const [i, sigma] of vpSigmas({ steps: 4 }).entries()) expect(sigma / vp[i]! || 1).toBeCloseTo(1, 10);
});
