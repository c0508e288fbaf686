// The thread that computes.
import { serveWorker } from '@emulsion/pipelines/worker';
import { openModelSource } from './open-model-source.ts';
import { noteWasmMemory } from './wasm-memory.ts';

noteWasmMemory();
serveWorker({ openSource: openModelSource });
