export {
  type AlignYourStepsModel,
  alignYourStepsModels,
  alignYourStepsSigmas,
} from './align-your-steps.ts';
export { type AncestralStep, ancestralStep } from './ancestral-step.ts';
export { betaSigmas } from './beta-sigmas.ts';
export { brownianDraws } from './brownian-draws.ts';
export { type BrownianNoiseOptions, createBrownianNoise } from './brownian-noise.ts';
export {
  dpmSolver2MCfgPlusPlus,
  dpmSolver2SAncestralCfgPlusPlus,
  eulerAncestralCfgPlusPlus,
  eulerCfgPlusPlus,
  type GuidedDenoised,
} from './cfg-plus-plus.ts';
export { createScheduler } from './create-scheduler.ts';
export { createSchedulerOf } from './create-scheduler-of.ts';
export { type DdimOptions, ddim } from './ddim.ts';
export {
  type DdpmAnswer,
  type DdpmOptions,
  type DdpmTransition,
  type DdpmVariance,
  ddpm,
  ddpmVariances,
} from './ddpm.ts';
export { type DeisOptions, deis } from './deis.ts';
export { cmStochasticIterative } from './diffusers/consistency.ts';
export { consistencyDecoder } from './diffusers/consistency-decoder.ts';
export { ddimScheduler } from './diffusers/ddim.ts';
export { ddimInverse } from './diffusers/ddim-inverse.ts';
export { ddpmScheduler } from './diffusers/ddpm.ts';
export { ddpmWuerstchen } from './diffusers/ddpm-wuerstchen.ts';
export { deisMultistep } from './diffusers/deis-multistep.ts';
export { dpmSolverMultistepScheduler } from './diffusers/dpm-solver-multistep.ts';
export { dpmSolverMultistepInverse } from './diffusers/dpm-solver-multistep-inverse.ts';
export { dpmSolverSdeScheduler } from './diffusers/dpm-solver-sde.ts';
export { dpmSolverSinglestepScheduler } from './diffusers/dpm-solver-singlestep.ts';
export { cosineDpmSolverMultistep, edmDpmSolverMultistep } from './diffusers/edm-dpm-solver-multistep.ts';
export { edmEuler } from './diffusers/edm-euler.ts';
export { eulerAncestralDiscrete } from './diffusers/euler-ancestral-discrete.ts';
export { eulerDiscrete } from './diffusers/euler-discrete.ts';
export { flowMapEuler } from './diffusers/flow-map-euler.ts';
export { flowMatchEulerDiscrete } from './diffusers/flow-match-euler-discrete.ts';
export { flowMatchHeunDiscrete } from './diffusers/flow-match-heun-discrete.ts';
export { flowMatchLcm } from './diffusers/flow-match-lcm.ts';
export { heunDiscrete } from './diffusers/heun-discrete.ts';
export { ipndmScheduler } from './diffusers/ipndm.ts';
export { kDiffusion } from './diffusers/k-diffusion.ts';
export { kdpm2AncestralDiscrete, kdpm2Discrete } from './diffusers/kdpm2-discrete.ts';
export { lcmScheduler } from './diffusers/lcm.ts';
export { lmsDiscrete } from './diffusers/lms-discrete.ts';
export { ltxEulerAncestral } from './diffusers/ltx-euler-ancestral.ts';
export { pndmScheduler } from './diffusers/pndm.ts';
export { repaintScheduler } from './diffusers/repaint.ts';
export { saSolverScheduler } from './diffusers/sa-solver.ts';
export type { SchedulerClass } from './diffusers/scheduler-parts.ts';
export { scmScheduler } from './diffusers/scm.ts';
export { scoreSdeVeScheduler } from './diffusers/score-sde-ve.ts';
export { tcdScheduler } from './diffusers/tcd.ts';
export { unclipScheduler } from './diffusers/unclip.ts';
export { unipcMultistep } from './diffusers/unipc-multistep.ts';
export { type DpmAdaptiveOptions, dpmAdaptive } from './dpm-adaptive.ts';
export { dpmFast } from './dpm-fast.ts';
export { dpmSolver2SAncestral } from './dpm-solver-2s-ancestral.ts';
export {
  type DpmSolverMultistepOptions,
  dpmSolverMultistep,
  dpmSolverPlusPlusMultistep,
  sdeDpmSolverMultistep,
  sdeDpmSolverPlusPlusMultistep,
} from './dpm-solver-multistep.ts';
export { dpmSolverSde } from './dpm-solver-sde.ts';
export {
  type DpmSolverSinglestepOptions,
  dpmSolverPlusPlusSinglestep,
  dpmSolverSinglestep,
  sdeDpmSolverPlusPlusSinglestep,
  singlestepOrders,
} from './dpm-solver-singlestep.ts';
export { dpm2, dpm2Ancestral, type MidpointOptions } from './dpm2.ts';
export { type ErSdeOptions, erSde, erSdeNoiseScale } from './er-sde.ts';
export { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
export { euler } from './euler.ts';
export { type EulerAncestralOptions, eulerAncestral } from './euler-ancestral.ts';
export { exponentialSigmas } from './exponential-sigmas.ts';
export { type DpmSolverType, dpmSolverTypes } from './exponential-step.ts';
export { flowEuler } from './flow-euler.ts';
export { flowEulerAncestral } from './flow-euler-ancestral.ts';
export { type FlowHeunOptions, flowHeun } from './flow-heun.ts';
export {
  shiftSigma,
  stretchToTerminal,
  type TimeShiftType,
  timeShift,
  timeShiftTypes,
} from './flow-sigmas.ts';
export {
  type GradientEstimationOptions,
  gradientEstimation,
  gradientEstimationCfgPlusPlus,
} from './gradient-estimation.ts';
export { heun } from './heun.ts';
export { heunPlusPlus } from './heun-plus-plus.ts';
export { ipndm } from './ipndm.ts';
export { karrasSigmas, type SigmaRange } from './karras-sigmas.ts';
export { klOptimalSigmas } from './kl-optimal-sigmas.ts';
export { type Limit, limitDenoised } from './limit-denoised.ts';
export { linearQuadraticSigmas } from './linear-quadratic-sigmas.ts';
export { type LmsOptions, lms } from './lms.ts';
export { loadScheduler } from './load-scheduler.ts';
export {
  halfLogSnr,
  type NoiseLevel,
  type NoiseProcess,
  rectifiedFlow,
  varianceExploding,
  variancePreserving,
} from './noise-level.ts';
export {
  type BetaSchedule,
  betaSchedules,
  createNoiseSchedule,
  type NoiseSchedule,
  type NoiseScheduleOptions,
  rescaleZeroTerminalSnr,
} from './noise-schedule.ts';
export {
  createEdmParameterization,
  createParameterization,
  denoisedFrom,
  type EdmPredictionType,
  edmPredictionTypes,
  type NetworkAnswer,
  noiseFrom,
  type Parameterization,
  type PredictionType,
  predictionTypes,
} from './parameterization.ts';
export { type PndmOptions, type PndmStep, pndm } from './pndm.ts';
export { polyexponentialSigmas } from './polyexponential-sigmas.ts';
export { type RenoiseOptions, type Round, renoise } from './renoise.ts';
export { type RepaintMove, type RepaintOptions, repaint } from './repaint.ts';
export { type ResMultistepOptions, resMultistep, resMultistepCfgPlusPlus } from './res-multistep.ts';
export { resolveScheduler } from './resolve-scheduler.ts';
export { type RestartStretch, restart, restartWalk, usualRestartWalk } from './restart.ts';
export { middleTau, type SaSolverOptions, saSolver } from './sa-solver.ts';
export type {
  Noise,
  NoiseInterval,
  Sampler,
  SamplerOptions,
  SamplerQuestion,
  StochasticOptions,
} from './sampler.ts';
export type {
  AddNoiseOptions,
  DenoisedOptions,
  ModelAnswer,
  NetworkSampler,
  NoisedAtOptions,
  Plan,
  PlanOptions,
  Question,
  SampleOptions,
  SamplerSetting,
  Scheduler,
} from './scheduler.ts';
export { type SchedulerAlias, schedulerAliases, spacingAliases } from './scheduler-aliases.ts';
export { type ScoreSdeStep, type ScoreSdeVeOptions, scoreSdeVe } from './score-sde-ve.ts';
export { type Seeds2Options, type SeedsOptions, seeds2, seeds3 } from './seeds.ts';
export { sgmUniformSigmas, simpleSigmas, type TableSigmasOptions } from './table-sigmas.ts';
export { type TcdOptions, type TcdRound, tcd } from './tcd.ts';
export {
  spaceTimesteps,
  type TimestepSpacing,
  type TimestepSpacingOptions,
  timestepSpacings,
} from './timestep-spacing.ts';
export { type Prediction, type Transition, transfer } from './transition.ts';
export { type UnipcOptions, type UnipcType, unipc, unipcTypes } from './unipc.ts';
export { vpSigmas } from './vp-sigmas.ts';
