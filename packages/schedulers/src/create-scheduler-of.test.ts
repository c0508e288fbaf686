import { expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { createSchedulerOf } from './create-scheduler-of.ts';
import { schedulerClasses } from './diffusers/scheduler-classes.ts';
import { schedulerClassNames } from './diffusers/scheduler-families.ts';
import * as exported from './index.ts';

const steps = { numInferenceSteps: 7 };

test('a scheduler of a class plans as the one that a config names', () => {
  const config = { beta_schedule: 'scaled_linear', use_karras_sigmas: true };
  const scheduler = createSchedulerOf(exported.eulerDiscrete, config);
  expect(scheduler.plan(steps)).toEqual(
    createScheduler({ ...config, _class_name: 'EulerDiscreteScheduler' }).plan(steps),
  );
});

test('the class counts, not the name in the config, which errors go by', () => {
  const config = { _class_name: 'PNDMScheduler', set_alpha_to_one: false };
  expect(createSchedulerOf(exported.eulerDiscrete, config).unusedKeys).toEqual(['set_alpha_to_one']);
  expect(() => createSchedulerOf(exported.eulerDiscrete, { ...config, beta_start: 'small' })).toThrow(
    'PNDMScheduler: "beta_start" is "small", wanted a number of at least 0.',
  );
  expect(() => createSchedulerOf(exported.eulerDiscrete).plan({ numInferenceSteps: 0 })).toThrow(
    'scheduler: numInferenceSteps is 0',
  );
});

test.each(schedulerClassNames)('%s can be imported', (name) => {
  expect(Object.values(exported)).toContain(schedulerClasses[name]);
});
