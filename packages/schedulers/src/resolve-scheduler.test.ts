import { expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { UnknownSchedulerError } from './errors.ts';
import { resolveScheduler } from './resolve-scheduler.ts';
import { schedulerAliases, spacingAliases } from './scheduler-aliases.ts';

const pndm = {
  _class_name: 'PNDMScheduler',
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  prediction_type: 'v_prediction',
  skip_prk_steps: true,
  steps_offset: 1,
};

test('a name keeps what the model was trained with', () => {
  expect(resolveScheduler('dpm++2m', pndm)).toMatchObject({
    _class_name: 'DPMSolverMultistepScheduler',
    algorithm_type: 'dpmsolver++',
    beta_schedule: 'scaled_linear',
    prediction_type: 'v_prediction',
  });
});

test('spellings of other programs mean the same', () => {
  for (const name of ['DPM++ 2M Karras', 'dpmpp_2m_karras', 'dpm++2m karras', 'sample_dpmpp_2m karras']) {
    expect(resolveScheduler(name, pndm)).toEqual(resolveScheduler('dpm++2m_karras', pndm));
  }
  expect(resolveScheduler('dpm++2m_karras').use_karras_sigmas).toBe(true);
  expect(resolveScheduler('Euler a')._class_name).toBe('EulerAncestralDiscreteScheduler');
  expect(resolveScheduler('euler_ancestral')._class_name).toBe('EulerAncestralDiscreteScheduler');
});

test('a class is known by its own name', () => {
  expect(resolveScheduler('UniPCMultistepScheduler', pndm)._class_name).toBe('UniPCMultistepScheduler');
});

test('a spacing takes the place of the one that the config had', () => {
  const config = { ...pndm, use_karras_sigmas: true };
  expect(resolveScheduler('dpm++2m exponential', config)).toMatchObject({
    use_karras_sigmas: false,
    use_exponential_sigmas: true,
  });
});

/** A config with every key that diffusers writes for it. */
const ddim = {
  _class_name: 'DDIMScheduler',
  beta_end: 0.02,
  beta_schedule: 'squaredcos_cap_v2',
  beta_start: 0.0001,
  clip_sample: false,
  clip_sample_range: 1,
  dynamic_thresholding_ratio: 0.995,
  num_train_timesteps: 1000,
  prediction_type: 'v_prediction',
  rescale_betas_zero_snr: false,
  sample_max_value: 1,
  set_alpha_to_one: true,
  steps_offset: 1,
  thresholding: false,
  timestep_spacing: 'trailing',
  trained_betas: null,
  variance_type: 'fixed_small',
};

test('every name with every spacing makes a scheduler that plans', () => {
  for (const { name } of schedulerAliases) {
    for (const spacing of ['', ...spacingAliases.map((alias) => `_${alias.name}`)]) {
      for (const config of [pndm, ddim]) {
        const scheduler = createScheduler(resolveScheduler(name + spacing, config));
        expect(scheduler.plan({ numInferenceSteps: 5 }).timesteps.length).toBeGreaterThanOrEqual(5);
      }
    }
  }
});

test('no two samplers share a spelling', () => {
  const spelled = schedulerAliases.flatMap(({ name, aliases }) => {
    const own = [name, ...aliases].map((each) =>
      each
        .toLowerCase()
        .replaceAll('++', 'pp')
        .replace(/[^a-z0-9]/g, ''),
    );
    return [...new Set(own)];
  });
  expect(new Set(spelled).size).toBe(spelled.length);
});

test('a model that is a flow keeps being one', () => {
  const flow = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 };
  expect(resolveScheduler('heun', flow)._class_name).toBe('FlowMatchHeunDiscreteScheduler');
  expect(resolveScheduler('dpm++2m', flow)).toMatchObject({ use_flow_sigmas: true, flow_shift: 3 });
  expect(resolveScheduler('DPM++ 2M SDE', flow)).toMatchObject({
    _class_name: 'DPMSolverMultistepScheduler',
    algorithm_type: 'sde-dpmsolver++',
    use_flow_sigmas: true,
  });
  const solver = { _class_name: 'UniPCMultistepScheduler', use_flow_sigmas: true, flow_shift: 5 };
  expect(resolveScheduler('euler', { ...solver, shift: 5 })._class_name).toBe(
    'FlowMatchEulerDiscreteScheduler',
  );
  expect(resolveScheduler('deis', solver)).toMatchObject({ flow_shift: 5 });
  expect(() => resolveScheduler('ddim', flow)).toThrow(
    'scheduler "ddim" does not know how to sample a model of FlowMatchEulerDiscreteScheduler. Choose euler or dpm++2m, or leave the model\'s own.',
  );
  expect(resolveScheduler('euler', { _class_name: 'EDMDPMSolverMultistepScheduler' })._class_name).toBe(
    'EDMEulerScheduler',
  );
});

test('an unknown name is refused with the nearest ones', () => {
  expect(() => resolveScheduler('dpmp++2m')).toThrow(UnknownSchedulerError);
  expect(() => resolveScheduler('dpmp++2m')).toThrow(
    /^scheduler "dpmp\+\+2m" is not known\. The nearest names are dpm\+\+2m,/,
  );
});
