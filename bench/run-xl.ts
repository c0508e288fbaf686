// One step of Stable Diffusion XL's U-Net at 1024×1024 in float16: time and memory; see README.md.
import { stat, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { createRng } from '@emulsion/tensor';
import { loadUnet } from '@emulsion/unet';
import { memoryOf, physicalCores } from './processes.ts';
import { writeXlUnet } from './write-model.ts';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, '.models', 'sdxl-unet-fp16');
await writeXlUnet(folder);
const seconds = (from: number) => `${((performance.now() - from) / 1000).toFixed(1)} s`;
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
const { size } = await stat(join(folder, 'diffusion_pytorch_model.safetensors'));

const start = performance.now();
const device = await createDevice('cpu');
const unet = await loadUnet(await openFolder(folder), { device });
const load = seconds(start);
const rng = createRng({ kind: 'torch-cpu', seed: 0 });
const stepStart = performance.now();
const { data } = await unet.predict({
  sample: rng.normal([1, 4, 128, 128]),
  timestep: 500,
  encoderHiddenStates: rng.normal([1, 77, 2048]),
  addedConditions: { textEmbeds: rng.normal([1, 1280]), timeIds: rng.normal([1, 6]) },
});
const step = seconds(stepStart);
if (!data.every(Number.isFinite)) throw new Error('bench: the output has elements that are no number.');
const { peak } = memoryOf(process.pid);
await device.dispose();

const text = `# Stable Diffusion XL's U-Net in float16, one step at 1024×1024

Written by \`pnpm bench:xl\`; see README.md. Memory is the sum of the peaks of both processes, mapped files included.

Machine: ${cpus()[0]!.model}, ${physicalCores()} cores. Node ${process.versions.node}.

| weights | load | step, batch 1 | peak memory | bar: ≤ 9 GB |
| ---: | ---: | ---: | ---: | ---: |
| ${gigabytes(size)} | ${load} | ${step} | ${gigabytes(peak)} | ${peak <= 9e9 ? 'met' : '**missed**'} |
`;
await writeFile(join(here, 'XL.md'), text);
process.stdout.write(text);
