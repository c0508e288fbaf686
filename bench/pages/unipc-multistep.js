// A page that knows the class of its scheduler.
import { createSchedulerOf, unipcMultistep } from '@emulsion/schedulers';
import { sample } from './sample.js';

sample(createSchedulerOf(unipcMultistep, { beta_schedule: 'scaled_linear' }));
