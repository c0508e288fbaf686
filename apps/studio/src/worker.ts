// The thread that computes.
import { serveWorker } from '@emulsion/pipelines/worker';
import { openModelSource } from './open-model-source.ts';

serveWorker({ openSource: openModelSource });
