// Loads the U-Net of the folder that it is sent, and makes one step with it.
import { createDevice, openFolder } from '@emulsion/runtime-web';
import { loadUnet } from '@emulsion/unet';
import { inputs } from '../inputs.ts';
import type { PlacedFile, StepReport } from './step.ts';

// onnxruntime makes its memory here, which it gives nobody.
const memories: WebAssembly.Memory[] = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    memories.push(this);
  }
};

const report: { -readonly [Key in keyof StepReport]: StepReport[Key] } = { notes: [], wasmMemory: 0 };
const tell = (news: Partial<StepReport>) => {
  Object.assign(report, news);
  report.wasmMemory = memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  postMessage(report);
};
const secondsSince = (start: number) => (performance.now() - start) / 1000;

async function makeStep(files: readonly PlacedFile[]): Promise<void> {
  for (const { file, path } of files) Object.defineProperty(file, 'webkitRelativePath', { value: path });
  const device = await createDevice('wasm');
  tell({ notes: device.notes });
  const start = performance.now();
  const folder = openFolder(files.map(({ file }) => file));
  const unet = await loadUnet(folder.subfolder('unet'), { device });
  tell({ load: secondsSince(start) });
  const begin = performance.now();
  const { data } = await unet.predict(inputs());
  tell({ step: secondsSince(begin), output: [...data] });
}

addEventListener('message', ({ data }: MessageEvent<PlacedFile[]>) => {
  makeStep(data).catch((error: Error) => tell({ error: error.message }));
});
