// How much memory the models take.
import { memoryQuestion } from './wasm-memory.ts';

/** Bytes of WebAssembly's memory in the worker, where models lie unless they are on the graphics card. */
export function measureMemory(worker: Worker): Promise<number> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<number>) => {
      resolve(data);
      port1.close();
    };
    worker.postMessage(memoryQuestion, [port2]);
  });
}

/** Bytes as people say them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
