// The scheduler classes by the names that configs have for them.
import { cmStochasticIterative } from './consistency.ts';
import { consistencyDecoder } from './consistency-decoder.ts';
import { ddimScheduler } from './ddim.ts';
import { ddimInverse } from './ddim-inverse.ts';
import { ddpmScheduler } from './ddpm.ts';
import { ddpmWuerstchen } from './ddpm-wuerstchen.ts';
import { deisMultistep } from './deis-multistep.ts';
import { dpmSolverMultistepScheduler } from './dpm-solver-multistep.ts';
import { dpmSolverMultistepInverse } from './dpm-solver-multistep-inverse.ts';
import { dpmSolverSdeScheduler } from './dpm-solver-sde.ts';
import { dpmSolverSinglestepScheduler } from './dpm-solver-singlestep.ts';
import { cosineDpmSolverMultistep, edmDpmSolverMultistep } from './edm-dpm-solver-multistep.ts';
import { edmEuler } from './edm-euler.ts';
import { eulerAncestralDiscrete } from './euler-ancestral-discrete.ts';
import { eulerDiscrete } from './euler-discrete.ts';
import { flowMapEuler } from './flow-map-euler.ts';
import { flowMatchEulerDiscrete } from './flow-match-euler-discrete.ts';
import { flowMatchHeunDiscrete } from './flow-match-heun-discrete.ts';
import { flowMatchLcm } from './flow-match-lcm.ts';
import { heunDiscrete } from './heun-discrete.ts';
import { ipndmScheduler } from './ipndm.ts';
import { kDiffusion } from './k-diffusion.ts';
import { kdpm2AncestralDiscrete, kdpm2Discrete } from './kdpm2-discrete.ts';
import { lcmScheduler } from './lcm.ts';
import { lmsDiscrete } from './lms-discrete.ts';
import { ltxEulerAncestral } from './ltx-euler-ancestral.ts';
import { pndmScheduler } from './pndm.ts';
import { repaintScheduler } from './repaint.ts';
import { saSolverScheduler } from './sa-solver.ts';
import type { SchedulerClass } from './scheduler-parts.ts';
import { scmScheduler } from './scm.ts';
import { scoreSdeVeScheduler } from './score-sde-ve.ts';
import { tcdScheduler } from './tcd.ts';
import { unclipScheduler } from './unclip.ts';
import { unipcMultistep } from './unipc-multistep.ts';

export const schedulerClasses: ReadonlyMap<string, SchedulerClass> = new Map([
  ['CMStochasticIterativeScheduler', cmStochasticIterative],
  ['ConsistencyDecoderScheduler', consistencyDecoder],
  ['CosineDPMSolverMultistepScheduler', cosineDpmSolverMultistep],
  ['DDIMInverseScheduler', ddimInverse],
  ['DDIMParallelScheduler', ddimScheduler],
  ['DDIMScheduler', ddimScheduler],
  ['DDPMParallelScheduler', ddpmScheduler],
  ['DDPMScheduler', ddpmScheduler],
  ['DDPMWuerstchenScheduler', ddpmWuerstchen],
  ['DEISMultistepScheduler', deisMultistep],
  ['DPMSolverMultistepInverseScheduler', dpmSolverMultistepInverse],
  ['DPMSolverMultistepScheduler', dpmSolverMultistepScheduler],
  ['DPMSolverSDEScheduler', dpmSolverSdeScheduler],
  ['DPMSolverSinglestepScheduler', dpmSolverSinglestepScheduler],
  ['EDMDPMSolverMultistepScheduler', edmDpmSolverMultistep],
  ['EDMEulerScheduler', edmEuler],
  ['EulerAncestralDiscreteScheduler', eulerAncestralDiscrete],
  ['EulerDiscreteScheduler', eulerDiscrete],
  ['FlowMapEulerDiscreteScheduler', flowMapEuler],
  ['FlowMatchEulerDiscreteScheduler', flowMatchEulerDiscrete],
  ['FlowMatchHeunDiscreteScheduler', flowMatchHeunDiscrete],
  ['FlowMatchLCMScheduler', flowMatchLcm],
  ['HeunDiscreteScheduler', heunDiscrete],
  ['IPNDMScheduler', ipndmScheduler],
  ['KDiffusionScheduler', kDiffusion],
  ['KDPM2AncestralDiscreteScheduler', kdpm2AncestralDiscrete],
  ['KDPM2DiscreteScheduler', kdpm2Discrete],
  ['LCMScheduler', lcmScheduler],
  ['LMSDiscreteScheduler', lmsDiscrete],
  ['LTXEulerAncestralRFScheduler', ltxEulerAncestral],
  ['PNDMScheduler', pndmScheduler],
  ['RePaintScheduler', repaintScheduler],
  ['SASolverScheduler', saSolverScheduler],
  ['SCMScheduler', scmScheduler],
  ['ScoreSdeVeScheduler', scoreSdeVeScheduler],
  ['TCDScheduler', tcdScheduler],
  ['UnCLIPScheduler', unclipScheduler],
  ['UniPCMultistepScheduler', unipcMultistep],
]);
