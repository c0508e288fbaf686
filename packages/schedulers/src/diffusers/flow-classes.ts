// The schedulers of rectified flows.
import { flowMapEuler } from './flow-map-euler.ts';
import { flowMatchEulerDiscrete } from './flow-match-euler-discrete.ts';
import { flowMatchHeunDiscrete } from './flow-match-heun-discrete.ts';
import { flowMatchLcm } from './flow-match-lcm.ts';
import { ltxEulerAncestral } from './ltx-euler-ancestral.ts';
import type { FamilyClasses } from './scheduler-families.ts';

export const flowClasses: FamilyClasses<'flow'> = {
  FlowMapEulerDiscreteScheduler: flowMapEuler,
  FlowMatchEulerDiscreteScheduler: flowMatchEulerDiscrete,
  FlowMatchHeunDiscreteScheduler: flowMatchHeunDiscrete,
  FlowMatchLCMScheduler: flowMatchLcm,
  LTXEulerAncestralRFScheduler: ltxEulerAncestral,
};
