import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, lstat, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '@emulsion/checkpoints';
import { decodePng, encodePng, parseGenerationParameters } from '@emulsion/image';
import { openFolder } from '@emulsion/runtime-node';
import { createRng, tensor } from '@emulsion/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ldmFile } from '../../../tooling/golden/src/ldm-file.ts';
import {
  type HubServer,
  modelFromFolder,
  startHubServer,
} from '../../../tooling/hub-server/src/start-hub-server.ts';

const tiny = fileURLToPath(new URL('../../../fixtures/golden/open/models/sd1', import.meta.url));
const adapterFiles = fileURLToPath(new URL('../../../fixtures/golden/open/adapters/files', import.meta.url));
const main = new URL('./main.ts', import.meta.url).href;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts the command in the test's folder. */
function start(...args: string[]): ChildProcess {
  return startWith({}, ...args);
}

/** The same with variables in its environment. */
function startWith(environment: Record<string, string>, ...args: string[]): ChildProcess {
  const program = `import { main } from ${JSON.stringify(main)}; process.exitCode = await main(process.argv.slice(1));`;
  const flags = [
    '--conditions=emulsion:source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
  ];
  return spawn(process.execPath, [...flags, '--eval', program, '--', ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
  });
}

async function finish(child: ChildProcess): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr?.on('data', (text) => {
    output.stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, ...output };
}

const run = (...args: string[]) => finish(start(...args));

test('it paints with the embedded model, and the PNG remembers how', async () => {
  const settings = ['--steps', '2', '--seed', '7', '--preview', 'now.png'];
  const { code, stdout } = await run('paint', 'a red apple', ...settings);
  expect(code).toBe(0);
  expect(stdout.trim()).toBe(join(folder, 'a-red-apple.png'));
  const { image, text } = decodePng(await readFile(join(folder, 'a-red-apple.png')));
  expect([image.width, image.height]).toEqual([128, 128]);
  expect(decodePng(await readFile(join(folder, 'now.png'))).image).toEqual(image);
  expect(parseGenerationParameters(text.parameters!)).toEqual({
    prompt: 'a red apple',
    negativePrompt: '',
    parameters: {
      Steps: '2',
      Sampler: 'DDIMScheduler',
      'CFG scale': '3',
      Seed: '7',
      Size: '128x128',
      RNG: 'CPU',
      Model: 'Emulsion default',
      Version: 'Emulsion',
    },
  });
});

test('the embedded model paints in few steps, with the LoRA that it was distilled into', async () => {
  const { code, stderr } = await run(
    ...['paint', 'a red apple', '--seed', '7'],
    '--few-steps',
    'lcm',
    '-o',
    'few.png',
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain('The LoRA "few-step" changes');
  const { text } = decodePng(await readFile(join(folder, 'few.png')));
  expect(parseGenerationParameters(text.parameters!).parameters).toMatchObject({
    Steps: '2',
    Sampler: 'lcm',
    'CFG scale': '1',
    Model: 'Emulsion default',
  });
});

test('it paints with a given model, sampler, size and number, and tells programs what happens', async () => {
  const { code, stdout, stderr } = await run(
    ...['paint', 'cat', '--model', tiny, '--steps', '2', '--seed', '0', '--width', '64', '--height', '96'],
    ...[
      '--scheduler',
      'dpm++2m',
      '--images',
      '2',
      '--output',
      'cat.png',
      '--save-latents',
      'cat.safetensors',
      '--json',
    ],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(
    events.filter(({ event }) => event === 'step').map(({ step, totalSteps }) => [step, totalSteps]),
  ).toEqual([
    [0, 2],
    [1, 2],
  ]);
  expect(events.at(-1)).toMatchObject({
    event: 'done',
    files: [join(folder, 'cat.png'), join(folder, 'cat-2.png')],
    latents: join(folder, 'cat.safetensors'),
    seed: '0',
  });
  const { image } = decodePng(await readFile(join(folder, 'cat-2.png')));
  expect([image.width, image.height]).toEqual([64, 96]);
});

test('a picture is painted with LoRAs and hypernetworks, each with its strength', async () => {
  const paint = async (...args: string[]) => {
    const { stdout } = await run(
      ...['paint', 'a cat', '--model', tiny, '--steps', '1', '--seed', '3', '--json'],
      ...['--output', 'lora.png', '--save-latents', 'lora.safetensors', ...args],
    );
    return { stdout, latents: await readFile(join(folder, 'lora.safetensors')) };
  };
  const [plain, { stdout, latents }] = [
    await paint(),
    await paint(
      ...['--lora', `${join(adapterFiles, 'lora_kohya.safetensors')}:0.75`],
      ...['--lora', join(adapterFiles, 'lora_diffusers.safetensors')],
      ...['--hypernetwork', `${join(adapterFiles, 'hn_relu_ln.pt')}:0.5`],
    ),
  ];
  expect(stdout).toMatch(/The LoRA \\"lora_kohya\\" changes \d+ modules at strength 0\.75\./);
  expect(stdout).toMatch(/The LoRA \\"lora_diffusers\\" changes \d+ modules at strength 1\./);
  expect(stdout).toMatch(/The hypernetwork \\"hn_relu_ln\\" changes \d+ modules at strength 0\.5\./);
  expect(latents).not.toEqual(plain.latents);
});

test('the prompt may name embeddings, and the command says by what', async () => {
  const embedding = join(adapterFiles, 'ti_my-emb3_diffusers.bin');
  const paint = (...args: string[]) =>
    run(
      ...['paint', 'a <my-emb3>', '--model', tiny, '--steps', '1', '--seed', '3', '--json'],
      ...['--output', 'named.png', '--save-latents', 'named.safetensors', ...args],
    );
  const latents = () => readFile(join(folder, 'named.safetensors'));
  const { stdout } = await paint(
    '--embedding',
    `${embedding}:0.5`,
    '--embedding',
    join(adapterFiles, 'ti_my-emb1_a1111.pt'),
  );
  const notes = stdout
    .split('\n')
    .filter((line) => line.includes('"note"'))
    .map((line) => JSON.parse(line).message);
  expect(notes).toContain('Prompts name an embedding by "<my-emb3>", at strength 0.5.');
  expect(notes).toContain('It was saved as "my-emb1"; here prompts name it by "ti_my-emb1_a1111".');
  const named = await latents();
  expect((await paint()).code).toBe(0);
  expect(named.equals(await latents())).toBe(false);
});

test('it paints what is masked, and leaves the rest of the picture alone', async () => {
  await run('paint', 'a red apple', '--steps', '2', '--seed', '7', '--output', 'whole.png');
  const { image } = decodePng(await readFile(join(folder, 'whole.png')));
  const isMasked = (i: number) => i % 128 >= 64 && Math.floor(i / 128) < 64;
  const mask = Uint8Array.from({ length: 3 * 128 * 128 }, (_, i) => (isMasked(Math.floor(i / 3)) ? 255 : 0));
  await writeFile(join(folder, 'mask.png'), encodePng({ width: 128, height: 128, channels: 3, data: mask }));
  const options = ['--mask', 'mask.png', '--padding-mask-crop', '0', '--steps', '2', '--output', 'part.png'];
  const { code } = await run('paint', 'a green leaf', '--image', 'whole.png', ...options);
  expect(code).toBe(0);
  const painted = decodePng(await readFile(join(folder, 'part.png')));
  let changed = 0;
  for (const [i, value] of painted.image.data.entries()) {
    if (isMasked(Math.floor(i / 3))) changed += Math.abs(value - image.data[i]!);
    else expect(value).toBe(image.data[i]);
  }
  expect(changed).toBeGreaterThan(1000);
  expect(parseGenerationParameters(painted.text.parameters!).parameters).toMatchObject({
    'Inpaint area': 'Only masked',
    'Masked area padding': '0',
  });
});

test('it enlarges what it painted, and widens a picture', async () => {
  const size = async (name: string) => {
    const { image, text } = decodePng(await readFile(join(folder, name)));
    return {
      size: [image.width, image.height],
      ...parseGenerationParameters(text.parameters!).parameters,
    };
  };
  const options = ['paint', 'a red apple', '--steps', '2', '--seed', '7'];
  await run(...options, '--hires-scale', '1.25', '--hires-steps', '3', '--output', 'large.png');
  expect(await size('large.png')).toMatchObject({
    size: [160, 160],
    Size: '128x128',
    'Hires upscale': '1.25',
    'Hires steps': '3',
    'Denoising strength': '0.7',
  });
  await run(...options, '--image', 'large.png', '--expand', '0,32,64,0', '--output', 'wide.png');
  expect((await size('wide.png')).size).toEqual([192, 224]);
});

const model = (name: string) =>
  fileURLToPath(new URL(`../../../fixtures/golden/open/models/${name}`, import.meta.url));
const pictureOf = async (name: string) => decodePng(await readFile(join(folder, name))).image;

test('a model that goes on with what another began ends where it would have ended', async () => {
  const settings = ['--model', model('sdxl'), '--steps', '5', '--seed', '3'];
  await run('paint', 'cat', ...settings, '--output', 'whole.png');
  const shared = ['--refiner', model('sdxl'), '--refiner-start', '0.6', '--output', 'shared.png'];
  const { code, stderr } = await run('paint', 'cat', ...settings, ...shared);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [whole, refined] = [await pictureOf('whole.png'), await pictureOf('shared.png')];
  const worst = Math.max(...whole.data.map((value, i) => Math.abs(value - refined.data[i]!)));
  expect(worst).toBeLessThanOrEqual(1);
  const { text } = decodePng(await readFile(join(folder, 'shared.png')));
  expect(parseGenerationParameters(text.parameters!).parameters).toMatchObject({
    Refiner: 'sdxl',
    'Refiner switch at': '0.6',
  });
});

test('with a refiner the variation seed that is written is the one that was drawn', async () => {
  const settings = ['--steps', '4', '--seed', '7', '--refiner-start', '0.5', '--variation-strength', '0.9'];
  const refiner = ['--model', tiny, '--refiner', tiny, '--width', '64', '--height', '64'];
  const paintOnce = (...args: string[]) => run('paint', 'cat', ...refiner, ...settings, ...args);
  expect((await paintOnce('--output', 'drawn.png')).code).toBe(0);
  const { text } = decodePng(await readFile(join(folder, 'drawn.png')));
  const { 'Variation seed': seed } = parseGenerationParameters(text.parameters!).parameters;
  expect((await paintOnce('--variation-seed', seed!, '--output', 'again.png')).code).toBe(0);
  expect(await pictureOf('again.png')).toEqual(await pictureOf('drawn.png'));
});

test('a walk ends with the other prompt, and models of few steps have settings', async () => {
  const settings = [
    '--model',
    tiny,
    '--seed',
    '3',
    '--few-steps',
    'lightning',
    '--width',
    '64',
    '--height',
    '64',
  ];
  const walk = await run('paint', 'cat', ...settings, '--to', 'dog', '--frames', '3', '--output', 'walk.png');
  expect(walk).toMatchObject({ code: 0 });
  expect(walk.stdout.trim().split('\n')).toHaveLength(3);
  await run('paint', 'dog', ...settings, '--output', 'dog.png');
  const names = walk.stdout.trim().split('\n');
  expect(decodePng(await readFile(names[2]!)).image).toEqual(await pictureOf('dog.png'));
  const said = names.map(async (name) =>
    parseGenerationParameters(decodePng(await readFile(name)).text.parameters!),
  );
  expect(await Promise.all(said)).toMatchObject([
    { prompt: 'cat', parameters: { Seed: '3' } },
    { prompt: 'cat', parameters: { Seed: '3', 'Walk to': 'dog', 'Walk position': '0.500' } },
    { prompt: 'dog', parameters: { Seed: '3' } },
  ]);
  const { text } = decodePng(await readFile(join(folder, 'dog.png')));
  expect(parseGenerationParameters(text.parameters!).parameters).toMatchObject({
    Steps: '4',
    'CFG scale': '1',
    Sampler: 'euler_trailing',
  });
});

test('a walk between seeds says which seed a picture has', async () => {
  const settings = ['--steps', '1', '--seed', '3,8', '--frames', '3', '--output', 'between.png'];
  const { code, stdout } = await run('paint', 'cat', ...settings);
  expect(code).toBe(0);
  const seeds = stdout.trim().split('\n');
  const said = seeds.map(
    async (name) => parseGenerationParameters(decodePng(await readFile(name)).text.parameters!).parameters,
  );
  const [first, between, last] = await Promise.all(said);
  expect([first, between, last].map((parameters) => parameters?.Seed)).toEqual(['3', '3', '8']);
  expect(between).toMatchObject({ 'Walk to seed': '8', 'Walk position': '0.500' });
  expect(last).not.toHaveProperty('Walk position');
});

test('pictures named after the prompt overwrite none, and links and pipes stay what they are', async () => {
  const own = await mkdtemp(join(folder, 'names-'));
  const paintHere = (...args: string[]) => {
    const child = startWith({}, 'paint', 'A red fox!', '--steps', '1', ...args);
    return finish(child);
  };
  const nameOf = async (...args: string[]) =>
    (await paintHere(...args)).stdout
      .trim()
      .split('\n')
      .map((path) => basename(path));
  expect(await nameOf()).toEqual(['a-red-fox.png']);
  const first = await readFile(join(folder, 'a-red-fox.png'));
  expect(await nameOf()).toEqual(['a-red-fox-2.png']);
  expect(await nameOf('--images', '2')).toEqual(['a-red-fox-3.png', 'a-red-fox-3-2.png']);
  expect(await readFile(join(folder, 'a-red-fox.png'))).toEqual(first);

  await writeFile(join(own, 'real.png'), 'old');
  await symlink('real.png', join(own, 'link.png'));
  expect((await paintHere('--output', join(own, 'link.png'))).code).toBe(0);
  expect((await lstat(join(own, 'link.png'))).isSymbolicLink()).toBe(true);
  expect(decodePng(await readFile(join(own, 'real.png'))).image.width).toBe(128);
  if (process.platform === 'win32') return; // it has no such pipes
  const pipe = join(own, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const [read, { code }] = await Promise.all([readFile(pipe), paintHere('--output', pipe)]);
  expect(code).toBe(0);
  expect(decodePng(read).image.width).toBe(128);
  expect((await lstat(pipe)).isFIFO()).toBe(true);
});

test('who reads along may leave', async () => {
  const child = start('paint', 'x', '--steps', '3', '--json', '--output', 'alone-now.png');
  child.stdout!.once('data', () => child.stdout!.destroy());
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  expect((await pictureOf('alone-now.png')).width).toBe(128);
});

test('Stable Diffusion 3 paints, with a text for each of its encoders', async () => {
  const settings = ['--model', model('sd3'), '--steps', '2', '--seed', '3', '--max-sequence-length', '12'];
  await run('paint', 'cat', ...settings, '--output', 'one.png');
  const other = ['--prompt2', 'dog', '--prompt3', 'fox', '--output', 'three.png'];
  const { code, stderr } = await run('paint', 'cat', ...settings, ...other);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(await pictureOf('three.png')).not.toEqual(await pictureOf('one.png'));
});

test('each picture of several can have its own seed, and its PNG says how the noise was drawn', async () => {
  const options = ['paint', 'a red apple', '--steps', '2', '--scheduler', 'euler_a'];
  const noise = ['--rng', 'nv', '--seed-resize-from', '72x64', '--eta-noise-seed-delta', '31337'];
  const several = ['--images', '2', '--output', 'own.png'];
  expect((await run(...options, ...noise, ...several, '--seed', '4', '--seed-per-image')).code).toBe(0);
  expect((await run(...options, ...noise, '--seed', '5', '--output', 'alone.png')).code).toBe(0);
  const varied = ['--variation-seed', '8', '--variation-strength', '0.2', '--seed', '4,9'];
  expect((await run(...options, ...varied, '--images', '2', '--output', 'varied.png')).code).toBe(0);
  const read = async (name: string) => {
    const { image, text } = decodePng(await readFile(join(folder, name)));
    return { image, parameters: parseGenerationParameters(text.parameters!).parameters };
  };
  const [second, alone, variation] = [
    await read('own-2.png'),
    await read('alone.png'),
    await read('varied-2.png'),
  ];
  expect(second).toEqual(alone);
  expect(alone.parameters).toMatchObject({
    Seed: '5',
    'Seed resize from': '72x64',
    ENSD: '31337',
    RNG: 'NV',
  });
  expect(variation.parameters).toMatchObject({
    Seed: '9',
    'Variation seed': '9',
    'Variation seed strength': '0.2',
    RNG: 'CPU',
  });
});

test('noise from a file gives the picture that its seed gives', async () => {
  const noise = createRng({ kind: 'torch-cpu', seed: 3 }).normal([1, 4, 8, 8]);
  await writeFile(join(folder, 'noise.safetensors'), writeSafetensors({ latents: noise }));
  const options = ['--model', tiny, '--steps', '2', '--width', '64', '--height', '64', '--scheduler', 'ddim'];
  await run('paint', 'cat', ...options, '--seed', '3', '--output', 'seed.png');
  await run(
    'paint',
    'cat',
    ...options,
    '--latents',
    'noise.safetensors',
    '--seed',
    '3',
    '--output',
    'file.png',
  );
  const pixels = async (name: string) => decodePng(await readFile(join(folder, name))).image;
  expect(await pixels('file.png')).toEqual(await pixels('seed.png'));
});

test('it paints over a picture, which stays the more the lower the strength', async () => {
  const pixels = async (name: string) => decodePng(await readFile(join(folder, name))).image;
  await run('paint', 'a red apple', '--steps', '10', '--seed', '7', '--output', 'first.png');
  for (const strength of ['0.1', '0.9']) {
    const options = ['--image', 'first.png', '--strength', strength, '--output', `over-${strength}.png`];
    const { code, stderr } = await run('paint', 'grinning face', '--steps', '10', '--seed', '1', ...options);
    expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 0, lines: 1 });
  }
  const first = await pixels('first.png');
  const difference = ({ data }: typeof first) =>
    data.reduce((sum, value, i) => sum + Math.abs(value - first.data[i]!), 0);
  expect(2 * difference(await pixels('over-0.1.png'))).toBeLessThan(difference(await pixels('over-0.9.png')));
});

/** A copy of the tiny model with something wrong in it. */
async function damaged(name: string, damage: (path: string) => Promise<void>): Promise<string> {
  const path = join(folder, name);
  await cp(tiny, path, { recursive: true });
  await damage(path);
  return path;
}

const edit = (file: string, change: (json: Record<string, unknown>) => void) => async (path: string) => {
  const json = JSON.parse(await readFile(join(path, file), 'utf8'));
  change(json);
  await writeFile(join(path, file), JSON.stringify(json));
};

const weights = 'unet/diffusion_pytorch_model.safetensors';

test.each<[string, () => Promise<string[]>, RegExp]>([
  [
    'a missing weight file',
    async () => ['--model', await damaged('missing', (path) => rm(join(path, weights)))],
    /diffusion_pytorch_model\.safetensors/,
  ],
  [
    'a truncated weight file',
    async () => ['--model', await damaged('short', (path) => truncate(join(path, weights), 100_000))],
    /diffusion_pytorch_model\.safetensors/,
  ],
  [
    'a tensor of the wrong shape',
    async () => [
      '--model',
      await damaged(
        'shape',
        edit('unet/config.json', (json) => {
          json.cross_attention_dim = 16;
        }),
      ),
    ],
    /attn2\.to_k\.weight" is \[16, 32\], its config\.json asks for \[16, 16\]/,
  ],
  [
    'an unknown pipeline',
    async () => [
      '--model',
      await damaged(
        'class',
        edit('model_index.json', (json) => {
          json._class_name = 'MagicPipeline';
        }),
      ),
    ],
    /"MagicPipeline" in model_index\.json is not supported\. StableDiffusionPipeline, .* are\./,
  ],
  [
    'an unknown component',
    async () => [
      '--model',
      await damaged(
        'part',
        edit('model_index.json', (json) => {
          json.unet = ['diffusers', 'MagicModel'];
        }),
      ),
    ],
    /"MagicModel" in model_index\.json is not supported as "unet"\. UNet2DConditionModel is\./,
  ],
  [
    'a LoRA that is not there',
    async () => ['--lora', `${join(folder, 'nowhere.safetensors')}:0.5`],
    /nowhere\.safetensors: there is no such file/,
  ],
  [
    'an embedding that is not there',
    async () => ['--model', tiny, '--embedding', join(folder, 'nowhere.pt')],
    /nowhere\.pt: there is no such file, nor is it one of a model on a hub/,
  ],
  [
    'a picture that is no embedding',
    async () => {
      const picture = encodePng({ width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) });
      await writeFile(join(folder, 'blank.png'), picture);
      return ['--model', tiny, '--embedding', join(folder, 'blank.png')];
    },
    /blank\.png: it holds no embedding\. Give a \.pt, /,
  ],
  [
    'an embedding of another width',
    async () => {
      const file = writeSafetensors({ '<wide>': tensor(new Float32Array(768), [768]) });
      await writeFile(join(folder, 'wide.safetensors'), file);
      return ['--model', tiny, '--embedding', join(folder, 'wide.safetensors')];
    },
    /Embedding "<wide>": its vectors are 768 wide, those of this model's text encoder 32\./,
  ],
  ['a model that is not there', async () => ['--model', join(folder, 'nowhere')], /there is no such folder/],
  [
    'a size that the autoencoder cannot make',
    async () => ['--width', '65'],
    /width is 65; this model's autoencoder makes multiples of 16\. 64 is the nearest\./,
  ],
  [
    'a prompt of 10,000 words',
    async () => ['--negative-prompt', 'word '.repeat(10_000)],
    /The prompt is \d+ tokens long, this model reads 90: from "word.*" on it would be ignored\. Shorten it/,
  ],
  [
    'no steps',
    async () => ['--steps', '0'],
    /option '--steps <n>' argument '0' is invalid\. It must be at least 1\./,
  ],
  [
    'NaN in the latents',
    async () => {
      const noise = tensor(new Float32Array(4 * 16 * 16).fill(Number.NaN), [1, 16, 8, 8]);
      await writeFile(join(folder, 'nan.safetensors'), writeSafetensors({ latents: noise }));
      return ['--latents', 'nan.safetensors'];
    },
    /latents have 1024 of 1024 elements that are not finite numbers\. Give standard normal noise\./,
  ],
  [
    'latents of another shape',
    async () => {
      await writeFile(join(folder, 'flat.safetensors'), writeSafetensors({ latents: tensor([1, 2], [2]) }));
      return ['--latents', 'flat.safetensors'];
    },
    /latents are \[2\]; for this model, size and number of pictures they must be \[1, 16, 8, 8\]\./,
  ],
  [
    'an output folder that does not exist',
    async () => ['--output', join('no', 'where', 'x.png')],
    /--output: the folder ".*where" does not exist\. Create it, or give another path\./,
  ],
  [
    'a picture that is not there',
    async () => ['--image', 'no.png'],
    /--image: "no\.png" cannot be read\. Check the path\./,
  ],
  [
    'a picture with a size',
    async () => ['--image', 'no.png', '--width', '64'],
    /--width does not go with --image/,
  ],
  [
    'a walk with a refiner',
    async () => ['--model', 'nowhere', '--frames', '3', '--to', 'y', '--refiner', 'nowhere'],
    /--frames does not go with --refiner, which finishes pictures of one prompt\. Leave one of them out\./,
  ],
  [
    'a walk that is painted larger',
    async () => ['--seed', '1,2', '--frames', '3', '--hires-scale', '2'],
    /--frames does not go with --hires-scale: the pictures of a walk are painted once\./,
  ],
  ['no name of an output', async () => ['--output', ''], /--output: "" names no file\. Give the path/],
  [
    'a new folder for an output',
    async () => ['--save-latents', 'new/'],
    /--save-latents: "new\/" names no file\./,
  ],
  [
    'a seed that is none',
    async () => ['--seed', '1,'],
    /option '--seed <n>' argument '1,' is invalid\. A whole number is wanted\./,
  ],
  [
    'a second seed that is not mixed in',
    async () => ['--variation-seed', '3'],
    /--variation-seed needs --variation-strength, how much of the second noise there is\./,
  ],
  [
    'a second prompt for one text encoder',
    async () => ['--prompt2', 'banana'],
    /prompt2: this model does not take it here\. Leave it out\./,
  ],
  [
    'what Flux alone takes',
    async () => ['--true-cfg-scale', '4'],
    /trueCfgScale: this model does not take it here\. Leave it out\./,
  ],
  [
    'few steps that the embedded model has not learned',
    async () => ['--few-steps', 'turbo'],
    /--few-steps turbo needs --model, a model that was distilled so\. The embedded one goes with --few-steps lcm\./,
  ],
  [
    'a strength without a picture',
    async () => ['--strength', '0.5'],
    /--strength needs --image, the picture to start from\./,
  ],
  [
    'an unknown sampler',
    async () => ['--scheduler', 'eulr'],
    /"eulr" is not known\. The nearest names are .*euler/,
  ],
  [
    'a device that is not there',
    async () => ['--device', 'cuda'],
    /The device "cuda" is not available\. It needs/,
  ],
])('%s ends in one sentence and exit code 1, and writes nothing', async (_, prepare, message) => {
  const args = await prepare();
  const before = await readdir(folder);
  const { code, stdout, stderr } = await run('paint', 'x', '--steps', '2', ...args);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(/^emulsion: /);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(await readdir(folder)).toEqual(before);
});

test('--verbose shows where an error arose, --json gives it to programs', async () => {
  const verbose = await run('paint', 'x', '--width', '65', '--verbose');
  expect(verbose.stderr).toMatch(/at .*text-to-image\.ts/);
  const json = await run('paint', 'x', '--width', '65', '--json');
  expect(JSON.parse(json.stdout.trim().split('\n').at(-1)!)).toMatchObject({
    event: 'error',
    name: 'InvalidArgumentError',
  });
  expect(json.code).toBe(1);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle ends at once, with no file left behind',
  async (signal) => {
    const before = await readdir(folder);
    const child = start('paint', 'x', '--steps', '900', '--output', 'never.png', '--json');
    const done = finish(child);
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (text) => {
        if (`${text}`.includes('"step"')) resolve();
      });
    });
    const killed = performance.now();
    child.kill(signal);
    const { code, stdout } = await done;
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(stdout.trim().split('\n').at(-1)).toBe(
      '{"event":"error","name":"InterruptedError","message":"Interrupted. Nothing was written."}',
    );
    expect(await readdir(folder)).toEqual(before);
  },
);

describe('a model of a hub', () => {
  const options = ['--model', 'owner/name', '--steps', '2', '--seed', '0', '--width', '64', '--height', '64'];
  let hub: HubServer;
  let environment: Record<string, string>;
  beforeAll(async () => {
    hub = await startHubServer({ 'owner/name': await modelFromFolder(tiny) });
    const unset = { HF_TOKEN: '', HF_TOKEN_PATH: '', HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '' };
    const cache = join(folder, 'huggingface');
    environment = { ...unset, HF_ENDPOINT: hub.endpoint, HF_HOME: cache, HF_HUB_CACHE: join(cache, 'hub') };
  });
  afterAll(() => hub.close());
  const runWith = (...args: string[]) => finish(startWith(environment, 'paint', 'cat', ...options, ...args));

  test('is downloaded, which is told, and paints what the folder paints, then without the hub', async () => {
    const first = await runWith('--output', 'hub.png', '--json');
    expect({ code: first.code, stderr: first.stderr }).toEqual({ code: 0, stderr: '' });
    const events = first.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const downloads = events.filter(({ event }) => event === 'download');
    expect(downloads[0]).toMatchObject({ repo: 'owner/name', file: 'model_index.json', loaded: 0 });
    expect(downloads.at(-1)).toMatchObject({ file: weights, loaded: 829512, total: 829512 });
    await run('paint', 'cat', ...options, '--model', tiny, '--output', 'folder.png');
    const before = hub.requests.length;
    expect((await runWith('--output', 'offline.png', '--offline')).code).toBe(0);
    expect(hub.requests).toHaveLength(before);
    const pixels = async (name: string) => decodePng(await readFile(join(folder, name))).image;
    expect(await pixels('hub.png')).toEqual(await pixels('folder.png'));
    expect(await pixels('offline.png')).toEqual(await pixels('folder.png'));
    const { text } = decodePng(await readFile(join(folder, 'hub.png')));
    expect(parseGenerationParameters(text.parameters!).parameters.Model).toBe('name');
  });

  test('in a single file paints what the folder paints, with the tokenizer of another model', async () => {
    await writeFile(join(folder, 'one.safetensors'), await ldmFile(await openFolder(tiny), 'sd1'));
    const file = ['--model', 'one.safetensors'];
    const from = await run('paint', 'cat', ...options, ...file, '--config', tiny, '--output', 'file.png');
    expect({ code: from.code, stdout: from.stdout }).toMatchObject({ code: 0 });
    await run('paint', 'cat', ...options, '--model', tiny, '--output', 'folder.png');
    const pixels = async (name: string) => decodePng(await readFile(join(folder, name))).image;
    expect(await pixels('file.png')).toEqual(await pixels('folder.png'));
    const none = await run('paint', 'cat', '--config', tiny);
    expect(none.stderr).toBe('emulsion: --config needs --model, a model in a single file.\n');
  });

  test('that is not there, or not at that revision, ends in one sentence', async () => {
    const none = await runWith('--model', 'owner/none');
    expect(none).toEqual({
      code: 1,
      stdout: '',
      stderr: `emulsion: There is no folder "owner/none" here. As a model on a hub: owner/none: ${hub.endpoint} has no such model, or it is private. Check the spelling; for a private one give a token (HF_TOKEN).\n`,
    });
    const revision = await runWith('--revision', 'v9');
    expect(revision.stderr).toBe(
      'emulsion: owner/name: it has no revision "v9". Give a branch, a tag or a commit that it has; "main" is the usual one.\n',
    );
    const embedded = await run('paint', 'cat', '--revision', 'v9');
    expect(embedded.stderr).toBe('emulsion: --revision needs --model, the name of a model on a hub.\n');
  });

  test('whose download Ctrl-C ends is gone on with', async () => {
    const cache = join(folder, 'huggingface-2');
    environment = { ...environment, HF_HOME: cache, HF_HUB_CACHE: join(cache, 'hub') };
    hub.fault = ({ storage, path }) => (storage && path.endsWith(weights) ? { slowness: 50 } : undefined);
    const child = startWith(environment, 'paint', 'cat', ...options, '--json');
    const done = finish(child);
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (text) => {
        if (/"download".*unet\/diffusion[^}]*"loaded":[1-9]\d{5}/.test(`${text}`)) resolve();
      });
    });
    child.kill('SIGINT');
    expect((await done).code).toBe(130);
    hub.fault = () => undefined;
    expect((await runWith('--output', 'again.png')).code).toBe(0);
    const ranges = hub.requests.filter(({ storage, path }) => storage && path.endsWith(weights));
    expect(ranges.at(-1)?.range).toMatch(/^bytes=[1-9]\d{5}-$/);
  });
});
