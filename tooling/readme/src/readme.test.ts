// Runs the TypeScript programs of all READMEs. What a program prints must be what its comments behind console.log say.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HubServer, modelFromFolder, startHubServer } from '../../hub-server/src/start-hub-server.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const packages = join(root, 'packages');

/** Where the programs run: a folder with models in it, as a reader would have them, adapters, and a hub with the same model. */
let folder: string;
let hub: HubServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulsion-readme-'));
  const model = join(root, 'fixtures/golden/open/models/sd1');
  await symlink(model, join(folder, 'model'));
  await symlink(join(root, 'fixtures/golden/open/models/controlnet'), join(folder, 'controlnet'));
  await symlink(join(root, 'fixtures/golden/open/adapters/files'), join(folder, 'adapters'));
  await symlink(join(root, 'fixtures/image-adapters'), join(folder, 'image-adapters'));
  await symlink(join(root, 'fixtures/golden/open/models/sd3'), join(folder, 'sd3'));
  hub = await startHubServer({ 'stable-diffusion-v1-5/stable-diffusion-v1-5': await modelFromFolder(model) });
  await symlink(join(root, 'fixtures/golden/clip-tokenizer'), join(folder, 'tokenizer'));
});
afterAll(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

/** The environment of the programs: the hub here, and a cache and a token of nobody. */
const environment = () => ({
  ...process.env,
  ...{ HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'huggingface'), HF_HUB_CACHE: '', HF_TOKEN: '' },
  ...{ HF_TOKEN_PATH: '', HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '' },
});

/** The programs of a README: its code blocks in TypeScript. */
const programsOf = (readme: string) =>
  [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program]) => program!);

/** What a program says that it prints: the comment behind each console.log. */
const outputOf = (program: string) =>
  [...program.matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, output]) => output!);

/** Packages whose programs use a package above them. */
const homes: Readonly<Record<string, string>> = { hub: 'pipelines' };

/** Each README with the package whose dependencies its programs use. */
const readmes = [
  { name: 'the project', file: join(root, 'README.md'), home: join(packages, 'pipelines') },
  ...(await readdir(packages)).map((name) => ({
    name,
    file: join(packages, name, 'README.md'),
    home: join(packages, homes[name] ?? name),
  })),
];

// Beside its package a program finds the package's name and dependencies.
const scriptOf = (home: string, label: string) => join(home, `.readme-${label}.ts`);

test('the programs are sound to the compiler', async () => {
  const programs = await Promise.all(
    readmes.map(async ({ file, home, name }) =>
      programsOf(await readFile(file, 'utf8')).map((program, index) => ({
        program,
        script: scriptOf(home, `${name.replace(' ', '-')}-types-${index}`),
      })),
    ),
  );
  const scripts = programs.flat();
  const project = join(root, '.readme-tsconfig.json');
  const files = [project, ...scripts.map(({ script }) => script)];
  try {
    for (const { script, program } of scripts) await writeFile(script, program);
    const config = { extends: './tooling/build/tsconfig.node.json', files: files.slice(1) };
    await writeFile(project, JSON.stringify(config));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const compiled = await promisify(execFile)(process.execPath, [tsc, '-p', project]).catch(
      (error) => error,
    );
    expect(compiled.stdout).toBe('');
  } finally {
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }
});

describe.each(readmes)('the README of $name', ({ file, home }) => {
  test('has programs that run and print what they say', async () => {
    const programs = programsOf(await readFile(file, 'utf8'));
    for (const [index, program] of programs.entries()) {
      const expected = outputOf(program);
      expect(expected, 'a program shows what it gives').not.toEqual([]);
      const script = scriptOf(home, `${index}`);
      await writeFile(script, program);
      try {
        const flags = ['--conditions=emulsion:source', '--disable-warning=ExperimentalWarning'];
        const { stdout } = await promisify(execFile)(process.execPath, [...flags, script], {
          cwd: folder,
          env: environment(),
        });
        expect(stdout.trimEnd().split('\n')).toEqual(expected);
      } finally {
        await rm(script);
      }
    }
  });
});
