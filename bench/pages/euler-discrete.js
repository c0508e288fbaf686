// A page that knows the class of its scheduler.
import { createSchedulerOf, eulerDiscrete } from '@emulsion/schedulers';
import { sample } from './sample.js';

sample(createSchedulerOf(eulerDiscrete, { beta_schedule: 'scaled_linear' }));
