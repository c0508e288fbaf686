// A page that samples as a scheduler_config.json says.
import { loadScheduler } from '@emulsion/schedulers';
import { sample } from './sample.js';

sample(await loadScheduler({ _class_name: 'EulerDiscreteScheduler', beta_schedule: 'scaled_linear' }));
