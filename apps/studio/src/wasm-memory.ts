// How much memory WebAssembly takes in the worker: whoever makes it gives it to nobody, so it is noted when it is made.

/** The question of the page, with a port for the answer. */
export const memoryQuestion = 'emulsion-studio:memory';

/** Notes every memory that is made from now on, and answers the page's questions for the bytes of all. */
export function noteWasmMemory(): void {
  const memories: WebAssembly.Memory[] = [];
  WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      memories.push(this);
    }
  };
  addEventListener('message', ({ data, ports: [port] }: MessageEvent<unknown>) => {
    if (data !== memoryQuestion) return;
    port?.postMessage(memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0));
  });
}
