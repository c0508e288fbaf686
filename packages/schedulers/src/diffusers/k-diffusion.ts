// KDiffusionScheduler: not a class of diffusers, but the samplers that k-diffusion, A1111 and ComfyUI have besides.
import { cpuOps, InvalidArgumentError, tensor } from '@emulsion/tensor';
import { askForDenoised, askForGuidedDenoised, askForNoise } from '../ask-network.ts';
import {
  dpmSolver2MCfgPlusPlus,
  dpmSolver2SAncestralCfgPlusPlus,
  eulerAncestralCfgPlusPlus,
  eulerCfgPlusPlus,
  type GuidedDenoised,
} from '../cfg-plus-plus.ts';
import { dpmAdaptive } from '../dpm-adaptive.ts';
import { dpmFast } from '../dpm-fast.ts';
import { dpmSolver2SAncestral } from '../dpm-solver-2s-ancestral.ts';
import { multistep, sdeDpmSolverPlusPlusMultistep } from '../dpm-solver-multistep.ts';
import { dpmSolverSde } from '../dpm-solver-sde.ts';
import type { MidpointOptions } from '../dpm2.ts';
import { erSde, erSdeNoiseScale } from '../er-sde.ts';
import { halvedCurvature, stochasticDataIntegrator } from '../exponential-step.ts';
import { gradientEstimation, gradientEstimationCfgPlusPlus } from '../gradient-estimation.ts';
import { heunPlusPlus } from '../heun-plus-plus.ts';
import { ipndm } from '../ipndm.ts';
import { lms } from '../lms.ts';
import { varianceExploding } from '../noise-level.ts';
import { createParameterization } from '../parameterization.ts';
import { resMultistep, resMultistepCfgPlusPlus } from '../res-multistep.ts';
import { restart, usualRestartWalk } from '../restart.ts';
import type { Noise, Sampler, SamplerQuestion } from '../sampler.ts';
import { seeds2, seeds3 } from '../seeds.ts';
import { timestepOfSigma } from '../sigma-table.ts';
import { readNoiseSchedule } from './read-noise-schedule.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { readPredictionType, readSigmaSpace, sigmaAt, sigmaSpacePlan, visit } from './sigma-space.ts';

/** What each sampler is made with. */
type Path = MidpointOptions & { noise: Noise; sNoise: number; eta: number };

/** A sampler: which answers it takes, how often it evaluates in a step, its settings (all unless said), and what it does. */
type Entry = {
  readonly eta: number;
  readonly evaluations: number;
  readonly settings?: readonly ('eta' | 'sNoise')[];
} & (
  | { readonly answers: 'denoised' | 'noise'; readonly sampler: (path: Path) => Sampler }
  | { readonly answers: 'guided'; readonly sampler: (path: Path) => Sampler<GuidedDenoised> }
);

/** In k-diffusion's DPM++ SDE samplers only the last step is of a lower order. */
const sde = { process: varianceExploding, lowerOrderFinal: false } as const;

/** The samplers by ComfyUI's names; `eta` is the amount of noise that is usual. */
const samplers = {
  dpmpp_2s_ancestral: { answers: 'denoised', eta: 1, evaluations: 2, sampler: dpmSolver2SAncestral },
  dpmpp_sde: { answers: 'denoised', eta: 1, evaluations: 2, sampler: dpmSolverSde },
  dpmpp_2m_sde: {
    answers: 'denoised',
    eta: 1,
    evaluations: 1,
    sampler: (path) => sdeDpmSolverPlusPlusMultistep({ ...path, ...sde }),
  },
  dpmpp_2m_sde_heun: {
    answers: 'denoised',
    eta: 1,
    evaluations: 1,
    sampler: (path) => sdeDpmSolverPlusPlusMultistep({ ...path, ...sde, solverType: 'heun' }),
  },
  dpmpp_3m_sde: {
    answers: 'denoised',
    eta: 1,
    evaluations: 1,
    sampler: (path) =>
      multistep(
        halvedCurvature((from, to) => stochasticDataIntegrator(from, to, path.eta)),
        {
          ...path,
          ...sde,
          solverType: 'heun',
          order: 3,
        },
      ),
  },
  dpm_fast: { answers: 'denoised', eta: 0, evaluations: 1, sampler: dpmFast },
  dpm_adaptive: { answers: 'denoised', eta: 0, evaluations: 1, sampler: dpmAdaptive },
  restart: {
    answers: 'denoised',
    eta: 0,
    evaluations: 2,
    settings: ['sNoise'],
    sampler: (path) => restart({ ...path, sigmas: usualRestartWalk(path.sigmas) }),
  },
  heunpp2: { answers: 'denoised', eta: 0, evaluations: 3, settings: [], sampler: heunPlusPlus },
  ipndm: {
    answers: 'noise',
    eta: 0,
    evaluations: 1,
    settings: [],
    sampler: (path) => ipndm({ ...path, process: varianceExploding, eulerAtFinal: true }),
  },
  ipndm_v: {
    answers: 'denoised',
    eta: 0,
    evaluations: 1,
    settings: [],
    sampler: (path) => lms({ ...path, eulerAtFinal: true }),
  },
  res_multistep: { answers: 'denoised', eta: 0, evaluations: 1, sampler: resMultistep },
  res_multistep_ancestral: { answers: 'denoised', eta: 1, evaluations: 1, sampler: resMultistep },
  gradient_estimation: {
    answers: 'denoised',
    eta: 0,
    evaluations: 1,
    settings: [],
    sampler: gradientEstimation,
  },
  er_sde: {
    answers: 'denoised',
    eta: 1,
    evaluations: 1,
    sampler: (path) => erSde({ ...path, noiseScale: (level) => erSdeNoiseScale(level, path.eta) }),
  },
  seeds_2: { answers: 'denoised', eta: 1, evaluations: 2, sampler: seeds2 },
  seeds_3: { answers: 'denoised', eta: 1, evaluations: 3, sampler: seeds3 },
  exp_heun_2_x0: {
    answers: 'denoised',
    eta: 0,
    evaluations: 2,
    sampler: (path) => seeds2({ ...path, r: 1, weighting: 'phi2' }),
  },
  exp_heun_2_x0_sde: {
    answers: 'denoised',
    eta: 1,
    evaluations: 2,
    sampler: (path) => seeds2({ ...path, r: 1, weighting: 'phi2' }),
  },
  euler_cfg_pp: { answers: 'guided', eta: 0, evaluations: 1, settings: [], sampler: eulerCfgPlusPlus },
  euler_ancestral_cfg_pp: { answers: 'guided', eta: 1, evaluations: 1, sampler: eulerAncestralCfgPlusPlus },
  dpmpp_2m_cfg_pp: {
    answers: 'guided',
    eta: 0,
    evaluations: 1,
    settings: [],
    sampler: dpmSolver2MCfgPlusPlus,
  },
  dpmpp_2s_ancestral_cfg_pp: {
    answers: 'guided',
    eta: 1,
    evaluations: 2,
    sampler: dpmSolver2SAncestralCfgPlusPlus,
  },
  res_multistep_cfg_pp: { answers: 'guided', eta: 0, evaluations: 1, sampler: resMultistepCfgPlusPlus },
  res_multistep_ancestral_cfg_pp: {
    answers: 'guided',
    eta: 1,
    evaluations: 1,
    sampler: resMultistepCfgPlusPlus,
  },
  gradient_estimation_cfg_pp: {
    answers: 'guided',
    eta: 0,
    evaluations: 1,
    settings: [],
    sampler: gradientEstimationCfgPlusPlus,
  },
} as const satisfies Record<string, Entry>;

/** Names of the samplers, for the key `sampler` of the config. */
export const kDiffusionSamplers = Object.keys(samplers) as (keyof typeof samplers)[]; // the table's own keys

/** Samplers that choose their own levels between the ends. */
const freeSamplers: readonly string[] = ['dpm_fast', 'dpm_adaptive'];

/** A state of one element, to see which levels a sampler asks for. */
const dot = tensor([0], [1]);

/** The questions of a sampler whose answers are all 0. */
function questionsOf(
  entry: Entry,
  path: Omit<Path, 'noise' | 'sNoise' | 'eta' | 'ops' | 'sample'>,
): SamplerQuestion[] {
  const options = { ...path, ops: cpuOps, sample: dot, noise: () => dot, sNoise: 1, eta: entry.eta };
  if (entry.answers === 'guided') return collect(entry.sampler(options), { denoised: dot, negative: dot });
  return collect(entry.sampler(options), dot);
}

function collect<Answer>(sampler: Sampler<Answer>, answer: Answer): SamplerQuestion[] {
  const questions: SamplerQuestion[] = [];
  for (let turn = sampler.next(); !turn.done; turn = sampler.next(answer)) questions.push(turn.value);
  return questions;
}

/** A sampler whose questions are numbered from `first`. */
function* numbered<Answer>(sampler: Sampler<Answer>, first: number): Sampler<Answer> {
  let turn = sampler.next();
  while (!turn.done) {
    const answer: Answer = yield { ...turn.value, step: first + turn.value.step };
    turn = sampler.next(answer);
  }
  return turn.value;
}

export const kDiffusion: SchedulerClass = (config) => {
  const noiseSchedule = readNoiseSchedule(config, { betaStart: 0.00085, betaEnd: 0.012, zeroSnr: 'almost' });
  const space = readSigmaSpace(config, noiseSchedule);
  const name = config.oneOf('sampler', kDiffusionSamplers, 'dpmpp_2s_ancestral');
  const entry: Entry = samplers[name];
  const parameterization = createParameterization(readPredictionType(config), varianceExploding);
  const timestepOf = (sigma: number) => timestepOfSigma(sigma, space.logSigmas);
  return {
    noiseSchedule,
    parameterization,
    planOptions: ['numInferenceSteps', 'timesteps', 'sigmas'],
    sampleOptions: entry.settings ?? ['eta', 'sNoise'],
    evaluationsPerStep: entry.evaluations,
    wantsNegativeOutput: entry.answers === 'guided',
    plan(options) {
      const { timesteps, sigmas } = visit(space, options);
      if (freeSamplers.includes(name) && sigmas.length < 2) {
        throw new InvalidArgumentError(
          `${config.className}: ${name} goes from the first noise level to the last above 0, and there is one only. Ask for at least 2 steps.`,
        );
      }
      const path = [...sigmas, options.sigmas?.at(-1) ?? 0].map(Math.fround);
      const plan = sigmaSpacePlan(space, options, timesteps, path);
      // The number of evaluations of these is not, or not exactly, that of the steps.
      if (freeSamplers.includes(name)) return { ...plan, path, adaptive: name === 'dpm_adaptive' };
      const questions = questionsOf(entry, { sigmas: path, timesteps, timestepOf });
      return {
        ...plan,
        timesteps: questions.map(({ timestep }) => timestep),
        sigmas: [...questions.map(({ sigma }) => sigma), path.at(-1)!],
        path,
      };
    },
    sample({ ops, sample, plan, beginIndex, noise, sNoise = 1, eta = entry.eta }) {
      const sigmas = (plan.path ?? plan.sigmas).slice(beginIndex / entry.evaluations);
      const timesteps = sigmas.slice(0, -1).map(timestepOf);
      const path = { ops, sample, sigmas, timesteps, timestepOf, noise, sNoise, eta };
      // These go other ways when they are entered in the middle.
      const own = freeSamplers.includes(name) || (name === 'restart' && beginIndex > 0);
      // With another amount of noise than the plan's a step is evaluated elsewhere but for its first time.
      const isPlanned = (i: number) => eta === entry.eta || i % entry.evaluations === 0;
      const fed = plan.timesteps.map((timestep, i) => (isPlanned(i) ? timestep : undefined));
      const parts = { ops, parameterization, timesteps: own ? undefined : fed };
      if (entry.answers === 'guided') {
        return askForGuidedDenoised(numbered(entry.sampler(path), beginIndex), parts);
      }
      const sampler = numbered(entry.sampler(path), beginIndex);
      return (entry.answers === 'denoised' ? askForDenoised : askForNoise)(sampler, parts);
    },
    sigmaAt: (timestep) => sigmaAt(space, timestep),
  };
};
