import { cpuOps, createRng, InvalidArgumentError, ShapeError, type Tensor, tensor } from '@emulsion/tensor';
import { describe, expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { kDiffusionSamplers } from './diffusers/k-diffusion.ts';
import { schedulerClassNames } from './diffusers/scheduler-families.ts';
import { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
import type { ModelAnswer, NetworkSampler, Question, SampleOptions } from './scheduler.ts';

const sd = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear' };
const noise0 = createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, 2, 4, 4]);

/** A network that takes a part of its input for the noise. */
const network = ({ sample }: Question): Tensor => cpuOps.combine([0.3, sample]);

function run(sampler: NetworkSampler, answer: (question: Question) => ModelAnswer = network) {
  const questions: Question[] = [];
  let turn = sampler.next();
  while (!turn.done) {
    questions.push(turn.value);
    turn = sampler.next(answer(turn.value));
  }
  return { questions, result: turn.value };
}

/** `run`, with all that was asked copied when it was asked. */
function runCopying(sampler: NetworkSampler, answer?: (question: Question) => ModelAnswer) {
  const states: number[][] = [];
  const { result } = run(sampler, (question) => {
    states.push([...question.state.data], [...question.sample.data]);
    return (answer ?? network)(question);
  });
  return { states, result };
}

/** The least config of a class, and the options of `sample` that it can't do without. */
function setUp(className: string) {
  const own: Record<string, Record<string, unknown>> = {
    RePaintScheduler: { ...sd, num_train_timesteps: 20 },
    ScoreSdeVeScheduler: {},
    UnCLIPScheduler: {},
    ConsistencyDecoderScheduler: {},
  };
  const config = own[className] ?? { ...sd, clip_sample: false };
  const scheduler = createScheduler({ _class_name: className, ...config });
  const mask = tensor(new Float32Array(16), [1, 1, 4, 4]);
  const needed: Partial<SampleOptions> =
    className === 'RePaintScheduler' ? { originalImage: noise0, mask } : {};
  return { scheduler, needed };
}

describe.each(schedulerClassNames)('%s', (className) => {
  const inverse = className.includes('Inverse');
  /** One class is for two steps only. */
  const steps = className === 'ConsistencyDecoderScheduler' ? 2 : 5;
  const make = () => setUp(className);

  test('plans as many steps as were asked for, and levels in order', () => {
    const { scheduler } = make();
    const plan = scheduler.plan({ numInferenceSteps: steps });
    expect(plan.numInferenceSteps).toBe(steps);
    expect(plan.timesteps.length).toBeGreaterThanOrEqual(steps);
    expect(plan.initNoiseSigma).toBeGreaterThan(0);
    // These go back up, or evaluate between the levels.
    if (className === 'RePaintScheduler' || className === 'KDiffusionScheduler') return;
    for (const [i, sigma] of plan.sigmas.entries()) {
      if (i === 0) continue;
      if (inverse) expect(sigma).toBeGreaterThanOrEqual(plan.sigmas[i - 1]!);
      else expect(sigma).toBeLessThanOrEqual(plan.sigmas[i - 1]!);
    }
  });

  test('gives finite numbers, the same for the same noise, and leaves its arguments alone', () => {
    const { scheduler, needed } = make();
    const plan = scheduler.plan({ numInferenceSteps: steps });
    const sample = cpuOps.combine([plan.initNoiseSigma, noise0]);
    const before = sample.data.slice();
    const once = () => {
      const rng = createRng({ kind: 'torch-cpu', seed: 3 });
      return run(
        scheduler.sample({ plan, sample, ops: cpuOps, noise: (dims) => rng.normal(dims), ...needed }),
      );
    };
    const { questions, result } = once();
    expect(result.data.every(Number.isFinite)).toBe(true);
    expect(result).toEqual(once().result);
    expect(sample.data).toEqual(before);
    expect(questions[0]!.state).toBe(sample);
    // Questions are numbered by the entries of the plan.
    for (const [i, { step, timestep }] of questions.entries()) {
      expect(timestep).toBe(plan.timesteps[step]);
      if (i > 0) expect(step).toBeGreaterThanOrEqual(questions[i - 1]!.step);
    }
  });

  test('gives the same where states are written over older ones', () => {
    const { scheduler, needed } = make();
    const plan = scheduler.plan({ numInferenceSteps: steps === 2 ? 2 : 12 });
    const sample = cpuOps.combine([plan.initNoiseSigma, noise0]);
    const over = (reuseStates: boolean) => {
      const rng = createRng({ kind: 'torch-cpu', seed: 3 });
      const noise = (dims: readonly number[]) => rng.normal(dims);
      return runCopying(scheduler.sample({ plan, sample, ops: cpuOps, noise, ...needed, reuseStates }));
    };
    expect(over(true)).toEqual(over(false));
    expect(sample).toEqual(cpuOps.combine([plan.initNoiseSigma, noise0]));
  });

  test('refuses 0 steps, half steps and options that it does not have', () => {
    const { scheduler, needed } = make();
    for (const numInferenceSteps of [0, -1, 2.5, Number.NaN]) {
      expect(() => scheduler.plan({ numInferenceSteps })).toThrow(InvalidArgumentError);
    }
    expect(() => scheduler.plan({})).toThrow(`${className}: plan was given no steps.`);
    const plan = scheduler.plan({ numInferenceSteps: steps });
    if (scheduler.sampleOptions.includes('useClippedModelOutput')) return;
    expect(() =>
      scheduler.sample({ plan, sample: noise0, ops: cpuOps, ...needed, useClippedModelOutput: true }),
    ).toThrow(`${className}: sample does not take "useClippedModelOutput".`);
  });
});

describe.each(kDiffusionSamplers)('KDiffusionScheduler %s', (sampler) => {
  const scheduler = createScheduler({ _class_name: 'KDiffusionScheduler', sampler, ...sd });
  const plan = scheduler.plan({ numInferenceSteps: 12 });
  const sample = cpuOps.combine([plan.initNoiseSigma, noise0]);
  const guided = (question: Question): ModelAnswer => ({
    modelOutput: network(question),
    negativeOutput: cpuOps.combine([0.2, question.sample]),
  });
  const answer = scheduler.wantsNegativeOutput ? guided : network;
  const sampleOver = (options: Partial<SampleOptions> = {}) => {
    const rng = createRng({ kind: 'torch-cpu', seed: 3 });
    const noise = (dims: readonly number[]) => rng.normal(dims);
    return scheduler.sample({ plan, sample, ops: cpuOps, noise, ...options });
  };

  test('gives the same where states are written over older ones', () => {
    expect(runCopying(sampleOver({ reuseStates: true }), answer)).toEqual(runCopying(sampleOver(), answer));
  });

  test('samples to finite numbers, at the timesteps of its plan', () => {
    const { questions, result } = run(sampleOver(), answer);
    expect(result.data.every(Number.isFinite)).toBe(true);
    if (sampler === 'dpm_fast' || sampler === 'dpm_adaptive') return;
    expect(questions.map(({ timestep }) => timestep)).toEqual(plan.timesteps);
    expect(questions.map(({ sigma }) => sigma)).toEqual(plan.sigmas.slice(0, -1));
  });

  test('can be entered at the second step', () => {
    const beginIndex = scheduler.evaluationsPerStep;
    const { questions, result } = run(sampleOver({ beginIndex }), answer);
    expect(questions[0]!.step).toBe(beginIndex);
    expect(questions[0]!.sigma).toBeCloseTo(plan.path![1]!, 5);
    expect(result.data.every(Number.isFinite)).toBe(true);
  });
});

test('samplers with CFG++ say that they want the unguided output', () => {
  const scheduler = createScheduler({ _class_name: 'KDiffusionScheduler', sampler: 'euler_cfg_pp', ...sd });
  expect(scheduler.wantsNegativeOutput).toBe(true);
  const plan = scheduler.plan({ numInferenceSteps: 3 });
  expect(() => run(scheduler.sample({ plan, sample: noise0, ops: cpuOps }))).toThrow(
    'this sampler keeps the unguided noise (CFG++), and was sent the guided output alone. Send { modelOutput, negativeOutput }',
  );
});

const refused: [
  what: string,
  config: unknown,
  error: typeof SchedulerConfigError | typeof UnknownSchedulerError,
  text: string,
][] = [
  [
    'nothing',
    undefined,
    SchedulerConfigError,
    'createScheduler: the config is not an object. Give the JSON of a scheduler_config.json.',
  ],
  ['a list', [], SchedulerConfigError, 'the config is not an object'],
  ['no class', {}, SchedulerConfigError, 'the config has no "_class_name"'],
  [
    'an unknown class',
    { _class_name: 'DDIMSchedular' },
    UnknownSchedulerError,
    'createScheduler: there is no class "DDIMSchedular". The nearest are DDIMScheduler, DDPMScheduler',
  ],
  [
    'an unknown prediction type',
    { _class_name: 'DDIMScheduler', prediction_type: 'noise' },
    SchedulerConfigError,
    'DDIMScheduler: "prediction_type" is "noise", wanted one of "epsilon", "sample", "v_prediction", "original_sample". Correct the scheduler config.',
  ],
  [
    'a word for a number',
    { _class_name: 'EulerDiscreteScheduler', beta_start: 'small' },
    SchedulerConfigError,
    'EulerDiscreteScheduler: "beta_start" is "small", wanted a number of at least 0.',
  ],
  [
    'a number for a switch',
    { _class_name: 'PNDMScheduler', skip_prk_steps: 1 },
    SchedulerConfigError,
    'PNDMScheduler: "skip_prk_steps" is 1, wanted true or false.',
  ],
  [
    'no training timesteps',
    { _class_name: 'DDPMScheduler', num_train_timesteps: 0 },
    SchedulerConfigError,
    '"num_train_timesteps" is 0, wanted an integer of at least 1.',
  ],
  [
    'betas that are too few',
    { _class_name: 'DDPMScheduler', trained_betas: [0.1, 0.2] },
    SchedulerConfigError,
    '"trained_betas" has 2 entries and "num_train_timesteps" is 1000. Give one beta a timestep.',
  ],
  [
    'two spacings at once',
    { _class_name: 'LMSDiscreteScheduler', use_karras_sigmas: true, use_beta_sigmas: true },
    SchedulerConfigError,
    'the config asks for noise levels spaced as karras and as beta. Choose one.',
  ],
  [
    'a solver that would divide by zero',
    { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver' },
    SchedulerConfigError,
    '"algorithm_type" is "dpmsolver", which can\'t end without noise, and "final_sigmas_type" is "zero". Set it to "sigma_min", or take "dpmsolver++".',
  ],
  [
    'an order that there is not',
    {
      _class_name: 'DPMSolverMultistepScheduler',
      algorithm_type: 'sde-dpmsolver',
      final_sigmas_type: 'sigma_min',
      solver_order: 3,
    },
    SchedulerConfigError,
    '"algorithm_type" is "sde-dpmsolver", which has orders 1 and 2, and "solver_order" is 3.',
  ],
  [
    'a fourth order',
    { _class_name: 'DEISMultistepScheduler', solver_order: 4 },
    SchedulerConfigError,
    '"solver_order" is 4, the solver has orders 1 to 3. Choose one of those.',
  ],
  [
    'noise from UniPC that ends without noise',
    { _class_name: 'UniPCMultistepScheduler', predict_x0: false },
    SchedulerConfigError,
    '"final_sigmas_type" is "zero" and "predict_x0" is false, with which the last step would divide by zero.',
  ],
  [
    'a flow over levels that are none',
    { _class_name: 'DPMSolverMultistepScheduler', prediction_type: 'flow_prediction' },
    SchedulerConfigError,
    '"prediction_type" is "flow_prediction" and "use_flow_sigmas" is not true.',
  ],
  [
    'a terminal for levels that are no flow',
    { _class_name: 'UniPCMultistepScheduler', shift_terminal: 0.1 },
    SchedulerConfigError,
    '"shift_terminal" is set and "use_flow_sigmas" is not true.',
  ],
  [
    'an inversion with noise',
    { _class_name: 'DPMSolverMultistepInverseScheduler', algorithm_type: 'sde-dpmsolver++' },
    SchedulerConfigError,
    '"algorithm_type" is "sde-dpmsolver++", and noise can\'t be taken back. Take "dpmsolver++" or "dpmsolver".',
  ],
  [
    'an inversion that knows nothing of the first noise',
    { _class_name: 'DDIMInverseScheduler', prediction_type: 'sample' },
    SchedulerConfigError,
    '"prediction_type" is "sample" and "set_alpha_to_one" is true: the first step starts without noise',
  ],
];

for (const [what, config, error, text] of refused) {
  test(`${what} is refused`, () => {
    expect(() => createScheduler(config)).toThrow(error);
    expect(() => createScheduler(config)).toThrow(text);
  });
}

test('an error of a config names its keys', () => {
  const error = (() => {
    try {
      return createScheduler({ _class_name: 'DDIMScheduler', eta: 1, steps_offset: -1 });
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(SchedulerConfigError.is(error) && error.keys).toEqual(['steps_offset']);
});

test('keys without a use are told', () => {
  const { unusedKeys } = createScheduler({
    _class_name: 'EulerDiscreteScheduler',
    _diffusers_version: '0.40',
    skip_prk_steps: true,
  });
  expect(unusedKeys).toEqual(['skip_prk_steps']);
});

test('null is the default, and infinity may be a word', () => {
  const config = {
    _class_name: 'DPMSolverMultistepScheduler',
    ...sd,
    lambda_min_clipped: '-Infinity',
    trained_betas: null,
  };
  expect(createScheduler(config).plan({ numInferenceSteps: 2 }).timesteps).toEqual([999, 500]);
});

test('more steps than training timesteps are refused where they would repeat', () => {
  expect(() => createScheduler({ _class_name: 'DDIMScheduler' }).plan({ numInferenceSteps: 1001 })).toThrow(
    'DDIMScheduler: numInferenceSteps is 1001, the model was trained with 1000 timesteps. Ask for at most 1000.',
  );
  expect(() =>
    createScheduler({ _class_name: 'DPMSolverMultistepScheduler' }).plan({ numInferenceSteps: 1500 }),
  ).toThrow(
    /steps \d+ and \d+ are at the same noise level, .* Ask for fewer steps, or give levels that differ\./,
  );
  expect(
    createScheduler({ _class_name: 'EulerDiscreteScheduler' }).plan({ numInferenceSteps: 1500 }).timesteps,
  ).toHaveLength(1500);
});

test('flow schedulers add the last level, so that one level is one step', () => {
  const flow = createScheduler({ _class_name: 'FlowMatchEulerDiscreteScheduler' });
  expect(flow.plan({ sigmas: [1] }).sigmas).toEqual([1, 0]);
  expect(flow.plan({ sigmas: [1] })).toEqual(flow.plan({ sigmas: [1, 0] }));
  expect(() => flow.plan({ sigmas: [0] })).toThrow(
    'FlowMatchEulerDiscreteScheduler: sigmas has 0 at place 0. Give descending numbers, none below 0.',
  );
  expect(() => flow.plan({ sigmas: [] })).toThrow('sigmas has 0 entries.');
  const euler = createScheduler({ _class_name: 'EulerDiscreteScheduler', ...sd });
  expect(() => euler.plan({ sigmas: [10] })).toThrow(
    'sigmas has 1 entries. Give at least 2 descending numbers',
  );
});

test('timesteps and levels can be given, in descending order', () => {
  const euler = createScheduler({ _class_name: 'EulerDiscreteScheduler', ...sd });
  const plan = euler.plan({ sigmas: [10, 1, 0] });
  expect(plan.sigmas).toEqual([10, 1, 0]);
  expect(plan.timesteps).toHaveLength(2);
  expect(euler.plan({ timesteps: [999, 500] }).timesteps).toEqual([999, 500]);
  expect(() => euler.plan({ sigmas: [1, 10, 0] })).toThrow(
    'EulerDiscreteScheduler: sigmas has 10 at place 1. Give at least 2 descending numbers, none below 0.',
  );
  expect(() => euler.plan({ sigmas: [1, 0], numInferenceSteps: 1 })).toThrow(
    'plan was given numInferenceSteps and sigmas. Give one of numInferenceSteps, timesteps, sigmas.',
  );
  expect(() => euler.plan({ numInferenceSteps: 2, mu: 1 })).toThrow('plan does not take "mu".');
});

test('an empty signal is refused for networks that predict noise', () => {
  const config = { _class_name: 'DDIMScheduler', rescale_betas_zero_snr: true, timestep_spacing: 'trailing' };
  expect(() => createScheduler(config).plan({ numInferenceSteps: 4 })).toThrow(
    'timestep 999 holds no signal (rescale_betas_zero_snr), from which predicted noise gives no picture.',
  );
  const velocity = createScheduler({ ...config, prediction_type: 'v_prediction' });
  expect(velocity.plan({ numInferenceSteps: 4 }).timesteps[0]).toBe(999);
});

test('a stochastic sampler without noise says what is missing', () => {
  const scheduler = createScheduler({ _class_name: 'EulerAncestralDiscreteScheduler', ...sd });
  const plan = scheduler.plan({ numInferenceSteps: 2 });
  expect(() => run(scheduler.sample({ plan, sample: noise0, ops: cpuOps }))).toThrow(
    'EulerAncestralDiscreteScheduler: the sampler adds noise, and sample was given none. Give it noise: (dims) => rng.normal(dims).',
  );
});

test('an answer of other dims is refused', () => {
  const scheduler = createScheduler({ _class_name: 'EulerDiscreteScheduler', ...sd });
  const plan = scheduler.plan({ numInferenceSteps: 2 });
  const sampler = scheduler.sample({ plan, sample: noise0, ops: cpuOps });
  expect(() => run(sampler, () => tensor([1], [1, 1, 1, 1]))).toThrow(ShapeError);
  expect(() => run(scheduler.sample({ plan, sample: noise0, ops: cpuOps }), () => tensor([1], [1]))).toThrow(
    "sample: the network's output is [1], the question wants [1, 2, 4, 4]. Send in the output for the sample of the question.",
  );
});

test('a sampler of two evaluations is entered at whole steps', () => {
  const scheduler = createScheduler({ _class_name: 'HeunDiscreteScheduler', ...sd });
  const plan = scheduler.plan({ numInferenceSteps: 3 });
  expect(scheduler.evaluationsPerStep).toBe(2);
  expect(() => scheduler.sample({ plan, sample: noise0, ops: cpuOps, beginIndex: 1 })).toThrow(
    'HeunDiscreteScheduler: beginIndex is 1, the plan has 5 timesteps. Give a whole number below that that is a multiple of 2.',
  );
});

test('a list of timesteps noises each sample of a batch by its own', () => {
  const scheduler = createScheduler({ _class_name: 'DDPMScheduler', ...sd });
  const rng = createRng({ kind: 'torch-cpu', seed: 1 });
  const [sample, noise] = [rng.normal([2, 1, 2, 2]), rng.normal([2, 1, 2, 2])];
  const both = scheduler.addNoise({ sample, noise, timestep: [10, 900] });
  for (const [i, timestep] of [10, 900].entries()) {
    const one = { sample: cpuOps.slice(sample, i, i + 1), noise: cpuOps.slice(noise, i, i + 1), timestep };
    expect(cpuOps.slice(both, i, i + 1)).toEqual(scheduler.addNoise(one));
  }
  expect(() => scheduler.addNoise({ sample, noise, timestep: [1, 2, 3] })).toThrow(
    'DDPMScheduler: 3 timesteps for a batch of 2. Give one a sample, or one for all.',
  );
  expect(() => scheduler.addNoise({ sample, noise, timestep: 5000 })).toThrow(
    "timestep 5000 is not one of the model's.",
  );
});

test('v and noise tell the same picture', () => {
  const scheduler = createScheduler({
    _class_name: 'DDIMScheduler',
    ...sd,
    clip_sample: false,
    prediction_type: 'v_prediction',
  });
  const plan = scheduler.plan({ numInferenceSteps: 4 });
  const timestep = plan.timesteps[1]!;
  const sample = cpuOps.combine([0.5, noise0]);
  const noise = createRng({ kind: 'torch-cpu', seed: 9 }).normal(sample.dims);
  const state = scheduler.addNoise({ sample, noise, timestep });
  const modelOutput = scheduler.velocity({ sample, noise, timestep });
  const question = { step: 1, timestep, sigma: plan.sigmas[1]!, sample: state, state };
  const denoised = scheduler.denoised({ question, modelOutput, ops: cpuOps });
  for (const [i, value] of denoised.data.entries()) expect(value).toBeCloseTo(sample.data[i]!, 5);
});
