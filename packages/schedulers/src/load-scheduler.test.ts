import { expect, test } from 'vitest';
import { createScheduler } from './create-scheduler.ts';
import { importClass } from './diffusers/import-class.ts';
import { schedulerClasses } from './diffusers/scheduler-classes.ts';
import { schedulerClassNames } from './diffusers/scheduler-families.ts';
import { SchedulerConfigError, UnknownSchedulerError } from './errors.ts';
import { loadScheduler } from './load-scheduler.ts';

test.each(schedulerClassNames)('%s is loaded under its own name', async (name) => {
  expect(await importClass(name)).toBe(schedulerClasses[name]);
});

test('a loaded scheduler plans as a created one does, and knows the keys that nothing reads', async () => {
  const config = { _class_name: 'EulerDiscreteScheduler', use_karras_sigmas: true, colour: 'red' };
  const [loaded, created] = [await loadScheduler(config), createScheduler(config)];
  expect(loaded.className).toBe('EulerDiscreteScheduler');
  expect(loaded.unusedKeys).toEqual(['colour']);
  const steps = { numInferenceSteps: 7 };
  expect(loaded.plan(steps)).toEqual(created.plan(steps));
});

test('a config that cannot be used is refused', async () => {
  await expect(loadScheduler([])).rejects.toThrow(SchedulerConfigError);
  await expect(loadScheduler([])).rejects.toThrow(
    'loadScheduler: the config is not an object. Give the JSON of a scheduler_config.json.',
  );
  await expect(loadScheduler({ _class_name: 'constructor' })).rejects.toThrow(UnknownSchedulerError);
  await expect(loadScheduler({ _class_name: 'EulerScheduler' })).rejects.toThrow(
    'loadScheduler: there is no class "EulerScheduler". The nearest are EDMEulerScheduler',
  );
  await expect(loadScheduler({ _class_name: 'EulerDiscreteScheduler', beta_start: 'small' })).rejects.toThrow(
    'EulerDiscreteScheduler: "beta_start" is "small", wanted a number of at least 0.',
  );
});
