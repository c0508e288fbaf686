import {
  createScheduler,
  type Plan,
  type PlanOptions,
  type Question,
  type SampleOptions,
  type Scheduler,
} from '@emulsion/schedulers';
import { cpuOps, type Tensor, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { assertClose, type Tolerance } from './assert-close.ts';
import { type FakeModel, runFakeModel } from './fake-model.ts';
import type { CaseJson, GoldenCase } from './golden-area.ts';
import { unstack } from './golden-array.ts';
import { readNoiseSchedules } from './noise-schedules.ts';
import { testArea } from './test-area.ts';

interface SchedulerCase extends CaseJson {
  readonly cls: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly set_timesteps: Readonly<Record<string, unknown>>;
  readonly step: Readonly<Record<string, unknown>>;
  readonly model: FakeModel;
  readonly tolerance: Tolerance;
  readonly begin_index?: number;
  readonly init_noise_sigma?: number;
  readonly add_noise_index?: readonly number[];
  readonly add_noise_timesteps?: readonly number[];
  readonly scale_identity?: boolean;
  readonly train_timesteps?: readonly number[];
  readonly explicit_prev_timestep?: boolean;
  readonly tau?: number;
}

/** Tables and spacings are compared more closely than what follows from them. */
const tight: Tolerance = { atol: 1e-5, rtol: 2e-6 };

/** Classes with timesteps of levels in between, which diffusers works out in float32. */
const betweenLevels = new Set([
  'KDPM2DiscreteScheduler',
  'KDPM2AncestralDiscreteScheduler',
  'DPMSolverSDEScheduler',
]);

await testArea<SchedulerCase>('schedulers', {
  traits: ({ cls }) => [{ kind: cls }],
  check: (golden) => () => checkCase(golden),
});

for (const { id, config, betas, alphasCumprod } of await readNoiseSchedules()) {
  const { noiseSchedule } = createScheduler(config);
  if (config.rescale_betas_zero_snr) {
    test(`the tables of betas ${id} are equal but for the rounding of a root`, () => {
      // The square roots of the machine that recorded them are off by up to 0.75 of the last place, and near the
      // last timestep little is left of the roots that the betas are quotients of.
      const rounding: Tolerance = { atol: 8 * 2 ** -24, rtol: 5e-5 };
      assertClose('betas', vector([...noiseSchedule!.betas]), betas, rounding);
      assertClose('alphas_cumprod', vector([...noiseSchedule!.alphasCumprod]), alphasCumprod, rounding);
    });
  } else {
    test(`the tables of betas ${id} are equal bit by bit`, () => {
      expect(noiseSchedule!.betas).toEqual(betas.data);
      expect(noiseSchedule!.alphasCumprod).toEqual(alphasCumprod.data);
    });
  }
}

const camelCase = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Arguments of diffusers by the names that they have here; those that are None say nothing. */
function renamed(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [camelCase(name), value]));
}

function planOptions({ set_timesteps }: SchedulerCase): PlanOptions {
  const { maxTimesteps, intermediateTimesteps, ...options } = renamed(set_timesteps);
  // Where the timesteps are given, their number says nothing new.
  if (options.timesteps) delete options.numInferenceSteps;
  return {
    ...options,
    ...(typeof maxTimesteps === 'number' ? { maxTimestep: maxTimesteps } : {}),
    ...(intermediateTimesteps === undefined || options.timesteps
      ? {}
      : { intermediateTimestep: intermediateTimesteps }),
  } as PlanOptions; // The names are those of the options: an unknown one is refused by plan.
}

async function checkCase(golden: GoldenCase<SchedulerCase>): Promise<void> {
  const { json } = golden;
  const scheduler = createScheduler({ _class_name: json.cls, ...json.config });
  const plan = scheduler.plan(planOptions(json));
  const between = betweenLevels.has(json.cls) ? { ...tight, atol: 0.01 } : tight;
  assertClose('timesteps', vector(plan.timesteps), await golden.tensor('timesteps'), between);
  if (await golden.has('sigmas')) {
    assertClose('sigmas', vector(plan.sigmas), await golden.tensor('sigmas'), tight);
  }
  if (json.init_noise_sigma !== undefined) {
    assertClose('init_noise_sigma', vector([plan.initNoiseSigma]), vector([json.init_noise_sigma]), tight);
  }
  await checkNoising(golden, scheduler, plan);
  for (const reuseStates of [false, true]) await checkLoop(golden, scheduler, plan, reuseStates);
}

function vector(values: readonly number[]): Tensor {
  return tensor(values, [values.length]);
}

/** What noise is added to a picture: along the plan, and on the training schedule. */
async function checkNoising(
  golden: GoldenCase<SchedulerCase>,
  scheduler: Scheduler,
  plan: Plan,
): Promise<void> {
  const { json } = golden;
  const [sample, noise] = [await golden.tensor('original'), await golden.tensor('noise0')];
  const forBatch = (timesteps: readonly number[]) => (timesteps.length === 1 ? timesteps[0]! : timesteps);
  for (const name of ['add_noise', 'scale_noise']) {
    if (!(await golden.has(name))) continue;
    const places = json.add_noise_index?.map((index) => plan.timesteps[index]!);
    const timestep = forBatch(places ?? json.add_noise_timesteps!);
    const noised = scheduler.addNoise({ sample, noise, timestep, plan });
    assertClose(name, noised, await golden.tensor(name), json.tolerance);
  }
  if (await golden.has('velocity')) {
    // Here diffusers takes the place in the plan for a timestep of the training schedule.
    const places = json.add_noise_index!.map((place) => trainingTimestep(json, scheduler, place));
    const velocity = scheduler.velocity({ sample, noise, timestep: forBatch(places) });
    assertClose('velocity', velocity, await golden.tensor('velocity'), json.tolerance);
  }
  if (json.train_timesteps === undefined || !scheduler.noiseSchedule) return;
  const last = scheduler.noiseSchedule.betas.length - 1;
  const timestep = forBatch(json.train_timesteps.map((t) => (readFromTheEnd.has(json.cls) ? last - t : t)));
  if (await golden.has('train_add_noise')) {
    const noised = scheduler.addNoise({ sample, noise, timestep });
    assertClose('train_add_noise', noised, await golden.tensor('train_add_noise'), json.tolerance);
  }
  if (await golden.has('train_velocity')) {
    const velocity = scheduler.velocity({ sample, noise, timestep });
    assertClose('train_velocity', velocity, await golden.tensor('train_velocity'), json.tolerance);
  }
}

/** Classes for which diffusers, before it has made a plan, takes the noise levels in the wrong order. */
const readFromTheEnd = new Set([
  'DEISMultistepScheduler',
  'DPMSolverMultistepScheduler',
  'DPMSolverSinglestepScheduler',
  'UniPCMultistepScheduler',
]);

/** What the network is fed at an entry of the training schedule. */
function trainingTimestep({ config }: SchedulerCase, { noiseSchedule }: Scheduler, entry: number): number {
  const continuous = config.timestep_type === 'continuous' && config.prediction_type === 'v_prediction';
  return continuous ? 0.25 * Math.log(noiseSchedule!.sigmas[entry]!) : entry;
}

/** A run of the sampler, with the recorded noise, against the recorded states. */
async function checkLoop(
  golden: GoldenCase<SchedulerCase>,
  scheduler: Scheduler,
  plan: Plan,
  reuseStates: boolean,
): Promise<void> {
  const { json } = golden;
  const beginIndex = json.begin_index ?? 0;
  const noise0 = await golden.tensor('noise0');
  let sample = cpuOps.combine([plan.initNoiseSigma, noise0]);
  if (json.begin_index !== undefined) {
    sample = scheduler.addNoise({ sample: await golden.tensor('original'), noise: noise0, plan, beginIndex });
    assertClose('start', sample, await golden.tensor('start'), json.tolerance);
  }
  const draws = await readStack(golden, 'noise');
  const drawn = draws.length;
  const sampler = scheduler.sample({
    plan,
    sample,
    ops: cpuOps,
    noise: () => draws.shift() ?? fail('the sampler draws more noise than was recorded'),
    beginIndex,
    reuseStates,
    ...renamed(json.step),
    ...(await classOptions(golden)),
  });
  const questions: Question[] = [];
  const denoised: Tensor[] = [];
  let turn = sampler.next();
  while (!turn.done) {
    const question = turn.value;
    const modelOutput = answer(json, question);
    // The memory of a scaled input is used again, and with `reuseStates` that of a state.
    const state = copy(question.state);
    const sample = question.sample === question.state ? state : copy(question.sample);
    questions.push({ ...question, state, sample });
    denoised.push(scheduler.denoised({ question, modelOutput, ops: cpuOps }));
    turn = sampler.next(modelOutput);
  }
  await checkStates(golden, questions, turn.value);
  if (json.scale_identity && questions.some(({ sample, state }) => sample !== state))
    fail('the input is scaled');
  for (const [i, scaled] of (await readStack(golden, 'scaled')).entries()) {
    assertClose(`scaled[${i}]`, questions[i]!.sample, scaled, json.tolerance);
  }
  for (const [i, x0] of (await readStack(golden, 'x0')).entries()) {
    assertClose(`x0[${i}]`, denoised[i]!, x0, json.tolerance);
  }
  if (await golden.has('x0_last')) {
    assertClose('x0_last', denoised.at(-1)!, await golden.tensor('x0_last'), json.tolerance);
  }
  if (draws.length > 0) fail(`the sampler draws ${drawn - draws.length} times instead of ${drawn}`);
}

const copy = ({ data, dims }: Tensor): Tensor => tensor(data.slice(), dims);

/** Options of single classes, which the index has in fields of their own. */
async function classOptions(golden: GoldenCase<SchedulerCase>): Promise<Partial<SampleOptions>> {
  const { cls, tau, explicit_prev_timestep } = golden.json;
  switch (cls) {
    case 'SASolverScheduler':
      return tau === undefined ? {} : { tau };
    case 'UnCLIPScheduler':
      return { strideOne: explicit_prev_timestep !== true };
    case 'RePaintScheduler':
      return { originalImage: await golden.tensor('original'), mask: await golden.tensor('mask') };
    default:
      return {};
  }
}

/** What the recorded network answers. */
function answer({ cls, model }: SchedulerCase, { sample, timestep, sigma }: Question): Tensor {
  const output = runFakeModel(model, sample, timestep);
  return cls === 'ScoreSdeVeScheduler'
    ? cpuOps.combine([Math.fround(-1 / (1 + sigma ** 2)), output])
    : output;
}

/**
 * Compares the states that the sampler shows. A question shows the state after the plan's entry before it, or, where
 * an entry has several questions, after one of the corrections that they are for.
 */
async function checkStates(
  golden: GoldenCase<SchedulerCase>,
  questions: Question[],
  end: Tensor,
): Promise<void> {
  const { json } = golden;
  const beginIndex = json.begin_index ?? 0;
  const after = await readStack(golden, 'prev');
  const corrected = await readStack(golden, 'corrected');
  let corrections = 0;
  for (const [i, { step, state }] of questions.entries()) {
    const before = questions[i - 1];
    if (before?.step === step) {
      assertClose(`corrected[${corrections}]`, state, corrected[corrections]!, json.tolerance);
      corrections++;
    } else if (before) {
      const entry = step - beginIndex - 1;
      assertClose(`prev[${entry}]`, state, after[entry]!, json.tolerance);
    }
  }
  const asked = questions.at(-1)!.step - beginIndex + 1;
  if (asked !== after.length || corrections !== corrected.length) {
    fail(`${asked} steps and ${corrections} corrections instead of ${after.length} and ${corrected.length}`);
  }
  // Where the mean was recorded besides, it is the result.
  const means = await readStack(golden, 'prev_mean');
  assertClose('the result', end, means.at(-1) ?? after.at(-1)!, json.tolerance);
}

/** The elements of a stacked array, or of numbered arrays; none if there is no such array. */
async function readStack(golden: GoldenCase, name: string): Promise<Tensor[]> {
  if (await golden.has(name)) {
    const stacked = await golden.tensor(name);
    return Array.from({ length: stacked.dims[0]! }, (_, i) => unstack(stacked, i));
  }
  const elements: Tensor[] = [];
  while (await golden.has(`${name}.${elements.length}`)) {
    elements.push(await golden.tensor(`${name}.${elements.length}`));
  }
  return elements;
}

function fail(reason: string): never {
  throw new Error(`golden: ${reason}`);
}
