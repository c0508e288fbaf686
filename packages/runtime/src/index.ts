export { type AttentionSelfTest, testAttention } from './attention-self-test.ts';
export { chooseLeaving, type Resident, type Shortage } from './choose-leaving.ts';
export {
  type Cancellable,
  type Device,
  type DeviceKind,
  type Dialect,
  deviceKinds,
  type Feed,
  type HeldTensor,
  type RunOptions,
  type Session,
} from './device.ts';
export { DeviceLostError, DeviceUnavailableError, RunError, SessionError } from './errors.ts';
export { runMemory } from './run-memory.ts';
export { type PoolMember, SessionPool, type SessionPoolOptions } from './session-pool.ts';
export { untilAborted } from './until-aborted.ts';
export { hostWorkspace, type Workspace } from './workspace.ts';
