import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePng, encodePng } from '@emulsion/image';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { planLines } from './plan-memory.ts';

const models = fileURLToPath(new URL('../../../fixtures/golden/open/models', import.meta.url));
const tiny = join(models, 'sd1');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = JSON.stringify(new URL('./main.ts', import.meta.url).href);
  const program = `import { main } from ${main}; process.exitCode = await main(process.argv.slice(1));`;
  const flags = [
    '--conditions=emulsion:source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
  ];
  const child = spawn(process.execPath, [...flags, '--eval', program, '--', 'paint', 'a fox', ...args], {
    cwd: folder,
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.on('data', (text) => {
    output.stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, ...output };
}

test('a plan is a table of the parts, and what they take together', () => {
  const plan = {
    width: 512,
    height: 768,
    pictures: 1,
    fromImage: false,
    components: [
      { component: 'unet', storedBytes: 1.7e9, weightBytes: 3.44e9, activationBytes: 5e8 },
      { component: 'vae decoder', storedBytes: 1e8, weightBytes: 1.98e8, activationBytes: undefined },
    ],
    peakBytes: 3.94e9,
    budgetBytes: 4e9,
    leaving: ['unet'],
    vaeTiling: true,
  };
  expect(planLines(plan)).toEqual([
    'part          weights  to compute with',
    'unet          3.44 GB         500.0 MB',
    'vae decoder  198.0 MB          unknown',
    '512×768: at most 3.94 GB at one time, of 4.00 GB. To make room, these leave: unet. The picture is decoded by tiles.',
  ]);
  expect(planLines({ ...plan, budgetBytes: undefined, leaving: [], vaeTiling: false }).at(-1)).toBe(
    '512×768: at most 3.94 GB at one time. All parts stay.',
  );
});

test('--plan says what a picture takes, and paints nothing', async () => {
  const { code, stdout, stderr } = await run('--model', tiny, '--plan', '--width', '128');
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(
    /^part +weights +to compute with\ntext encoder .*\nunet .*\nvae decoder .*\n128×64: at most /,
  );
  const json = await run('--model', tiny, '--plan', '--json', '--memory-budget', '2GiB');
  expect(JSON.parse(json.stdout)).toMatchObject({ event: 'plan', width: 64, budgetBytes: 2 * 1024 ** 3 });
  expect(await readdir(folder)).toEqual([]);
});

test('--plan is for what is painted in the end: the second pass, the widened picture', async () => {
  const plan = async (...args: string[]) =>
    JSON.parse((await run('--model', tiny, '--plan', '--json', ...args)).stdout);
  // The model's own size is 64.
  const hires = await plan('--hires-scale', '2', '--height', '72');
  expect(hires).toMatchObject({ width: 128, height: 144, fromImage: false });
  const picture = join(folder, 'small.png');
  const data = new Uint8Array(3 * 64 * 48);
  await writeFile(picture, encodePng({ width: 64, height: 48, channels: 3, data }));
  const wide = await plan('--image', picture, '--expand', '8,16,0,24');
  await rm(picture);
  expect(wide).toMatchObject({ width: 104, height: 56, fromImage: true });
});

test('a budget that is too small is refused after the plan, in one sentence', async () => {
  const { code, stderr } = await run('--model', tiny, '--memory-budget', '500kB');
  expect(code).toBe(1);
  expect(stderr).toMatch(/\nemulsion: memoryBudget: a picture of 64×64 takes .* and the budget is 500 kB\. /);
  const odd = await run('--model', tiny, '--memory-budget', 'much');
  expect(odd.stderr).toContain('Give an amount such as 6GB, 3500MB or 4GiB.');
  expect(await readdir(folder)).toEqual([]);
});

const picture = ['--model', tiny, '--steps', '2', '--seed', '1', '--output', 'fox.png'];

test('a preview shows what the picture becomes; a picture is decoded by tiles where it is asked', async () => {
  const { code, stderr } = await run(...picture, '--preview', 'now.png', '--vae-tiling', 'always');
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Seed 1, /) });
  // One pixel a latent.
  expect(decodePng(await readFile(join(folder, 'now.png'))).image.width).toBe(8);
  expect(decodePng(await readFile(join(folder, 'fox.png'))).image.width).toBe(64);
});

test('a tiny autoencoder makes previews of the size of the picture', async () => {
  const previewVae = ['--preview-vae', join(models, 'taesd')];
  const { code } = await run(...picture, '--preview', 'now.png', ...previewVae);
  expect(code).toBe(0);
  expect(decodePng(await readFile(join(folder, 'now.png'))).image.width).toBe(64);
  const alone = await run(...picture, ...previewVae);
  expect(alone.stderr).toContain('--preview-vae needs --preview, the file to show.');
});
