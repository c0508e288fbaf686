// A page that can make a scheduler of any class at once.
import { createScheduler } from '@emulsion/schedulers';
import { sample } from './sample.js';

sample(createScheduler({ _class_name: 'EulerDiscreteScheduler', beta_schedule: 'scaled_linear' }));
