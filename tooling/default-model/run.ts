// The default model from nothing, in one command: every step in order, each going on from where it was stopped.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const here = import.meta.dirname;
const { values } = parseArgs({
  options: {
    'work-dir': { type: 'string' },
    python: { type: 'string', default: 'python3' },
    samples: { type: 'string', default: '1000000' },
    processes: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
if (!values['work-dir']) {
  console.error(
    'run: no --work-dir. Give a folder outside the repository; data and checkpoints need about 3 GB there.',
  );
  process.exit(2);
}
const workDir = resolve(values['work-dir']);
const samples = values.samples;

interface Step {
  name: string;
  command: string[];
}
const python = (script: string, ...args: string[]): string[] => [values.python, join(here, script), ...args];
/** A script that several processes run, each with its share of the cores and a batch of its own. */
const torchrun = (script: string, ...args: string[]): string[] => {
  const launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', values.processes];
  return [values.python, ...(values.processes === '1' ? [] : launcher), join(here, script), ...args];
};

const steps: Step[] = [
  {
    name: 'render',
    command: [process.execPath, join(here, 'render.ts'), '--work-dir', join(workDir, 'data')],
  },
  { name: 'draw', command: python('draw.py') },
  { name: 'vae', command: python('train_vae.py') },
  { name: 'tokenizer', command: python('tokenizer.py') },
  { name: 'latents-1', command: python('latents.py', '--chapter', '1') },
  { name: 'latents-2', command: python('latents.py', '--chapter', '2') },
  { name: 'text-memory', command: torchrun('train_text.py', '--part', 'memory', '--total', '900000') },
  { name: 'text-plan', command: torchrun('train_text.py', '--part', 'plan', '--total', '500000') },
  { name: 'unet', command: torchrun('train_unet.py', '--total', samples, '--decay', '0.2') },
  { name: 'decoder', command: python('train_decoder.py') },
  { name: 'few-step', command: torchrun('train_few_step.py') },
  { name: 'evaluate', command: python('evaluate.py') },
  {
    name: 'evaluate-few-step',
    command: python('evaluate.py', '--few', '2', '--out', 'evaluation-few-step'),
  },
  { name: 'export', command: python('export.py') },
];
if (values.only && !steps.some((step) => step.name === values.only)) {
  console.error(`run: no step "${values.only}"; there are ${steps.map((step) => step.name).join(', ')}.`);
  process.exit(2);
}

mkdirSync(workDir, { recursive: true });
const doneFile = join(workDir, 'steps-done.json');
const done: Record<string, string> = existsSync(doneFile) ? JSON.parse(readFileSync(doneFile, 'utf8')) : {};

for (const { name, command } of steps) {
  const [program, ...args] = command;
  const shown = args.join(' ');
  // A step counts as done for the arguments that it was done with: more samples are a new step.
  if (values.only ? name !== values.only : done[name] === shown) continue;
  console.log(`\n== ${name}`);
  const withWorkDir = name === 'render' ? args : [...args, '--work-dir', workDir];
  // Threads that wait asleep: on a shared machine the waiting would take the time from the working ones.
  const env = { ...process.env, OMP_WAIT_POLICY: 'passive' };
  const child = spawn(program!, withWorkDir, { stdio: 'inherit', env });
  const code = await new Promise<number | null>((finish) => child.on('close', finish));
  if (code !== 0) {
    console.error(`run: ${name} ended with ${code}; the same command goes on from its last checkpoint.`);
    process.exit(code ?? 1);
  }
  done[name] = shown;
  writeFileSync(doneFile, `${JSON.stringify(done, null, 2)}\n`);
}
