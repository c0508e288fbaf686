// A page that knows the class of its scheduler.
import { createSchedulerOf, dpmSolverMultistepScheduler } from '@emulsion/schedulers';
import { sample } from './sample.js';

sample(createSchedulerOf(dpmSolverMultistepScheduler, { beta_schedule: 'scaled_linear' }));
