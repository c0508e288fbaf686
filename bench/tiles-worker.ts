// A picture from random latents, whole or by tiles: node tiles-worker.ts VAE SIZE whole|tiled OUTPUT
import { writeFile } from 'node:fs/promises';
import { createDevice, openFolder } from '@emulsion/runtime-node';
import { createRng } from '@emulsion/tensor';
import { loadVae } from '@emulsion/vae';

const [folder = '', size = '', way = '', output = ''] = process.argv.slice(2);
const device = await createDevice('cpu');
const vae = await loadVae(await openFolder(folder), { device });
const side = Number(size) / vae.config.scale;
const latents = createRng({ kind: 'torch-cpu', seed: 0 }).normal([1, vae.config.latentChannels, side, side]);
const start = performance.now();
const { data } = await vae.decode(latents, { tiling: way === 'tiled' });
console.log((performance.now() - start) / 1000);
await writeFile(output, data);
await device.dispose();
