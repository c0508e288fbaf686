// The command line: reads it, runs the command, and turns whatever goes wrong into one sentence and an exit code.
import { fewStepSettings, type Margins, previewMethods } from '@emulsion/pipelines';
import { deviceKinds } from '@emulsion/runtime';
import { EmulsionError, type RngKind, rngKinds } from '@emulsion/tensor';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type AdapterFile, parseAdapterFile } from './adapter-files.ts';
import { InterruptedError } from './errors.ts';
import { type PaintOptions, paint, type Size } from './paint.ts';
import { jsonReport, type Report, terminalReport } from './report.ts';

/** How the command reports. */
interface ReportOptions {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('A number is wanted.');
  return value;
};

const integer = (text: string): number => {
  const value = number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('A whole number is wanted.');
  return value;
};

const atLeast =
  (least: number) =>
  (text: string): number => {
    const value = integer(text);
    if (value < least) throw new InvalidArgumentError(`It must be at least ${least}.`);
    return value;
  };

const bytes = (text: string): number => {
  const [, amount, unit = 'b'] = /^([\d.]+)\s*(b|[kmg]i?b)?$/i.exec(text) ?? [];
  const prefix = ['b', 'k', 'm', 'g'].indexOf(unit[0]!.toLowerCase());
  const value = Number(amount) * (/i/i.test(unit) ? 1024 : 1000) ** prefix;
  if (!(value > 0)) throw new InvalidArgumentError('Give an amount such as 6GB, 3500MB or 4GiB.');
  return value;
};

const seed = (text: string): bigint => {
  try {
    if (text.trim() !== '') return BigInt(text);
    throw new SyntaxError();
  } catch {
    throw new InvalidArgumentError('A whole number is wanted.');
  }
};

const seeds = (text: string): bigint[] => text.split(',').map(seed);

/** Generators by A1111's names for them. */
const rngAliases: Readonly<Record<string, RngKind>> = {
  cpu: 'torch-cpu',
  gpu: 'torch-cuda',
  nv: 'torch-cuda',
};

const rng = (text: string): RngKind => {
  const name = text.toLowerCase();
  const kind = rngAliases[name] ?? rngKinds.find((known) => known === name);
  if (kind) return kind;
  throw new InvalidArgumentError(`Give one of ${[...rngKinds, ...Object.keys(rngAliases)].join(', ')}.`);
};

const size = (text: string): Size => {
  const [, width, height] = /^(\d+)x(\d+)$/i.exec(text) ?? [];
  if (width === undefined || height === undefined)
    throw new InvalidArgumentError('Give a size such as 512x768.');
  return { width: Number(width), height: Number(height) };
};

const margins = (text: string): Required<Margins> => {
  const sides = text.split(',').map(atLeast(0));
  const [top, right = top, bottom = top, left = top] = sides;
  if (sides.length !== 1 && sides.length !== 4)
    throw new InvalidArgumentError('Give one number of pixels, or four: top,right,bottom,left.');
  return { top, right, bottom, left } as Required<Margins>; // split gives one text at least
};

const adapterFiles = (text: string, files: readonly AdapterFile[] = []): AdapterFile[] => [
  ...files,
  parseAdapterFile(text),
];

/** The program; `run` is called with the command that was asked for. */
function program(
  run: (
    options: ReportOptions,
    command: (report: Report, signal: AbortSignal) => Promise<void>,
  ) => Promise<void>,
): Command {
  const root = new Command('emulsion')
    .description('Diffusion image generation')
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'emulsion: ')) });
  root
    .command('paint')
    .description('Paint a picture from a prompt. Without --model it is the embedded one that paints.')
    .argument('<prompt>', 'what the picture shows')
    .option(
      '-m, --model <model>',
      'a model: a folder in diffusers layout, owner/name on the Hugging Face hub, which is downloaded once, or a .safetensors or .ckpt',
    )
    .option(
      '--config <model>',
      'for a single file: a model that its tokenizers are taken from (a folder or owner/name)',
    )
    .option('--revision <name>', 'branch, tag or commit of a model on the hub (default: main)')
    .option('--offline', 'use what was downloaded before, and no network')
    .option(
      '-o, --output <file>',
      'PNG to write; unless given, named after the prompt, with a number if there is one',
    )
    .option('-n, --negative-prompt <text>', 'what the picture is led away from')
    .option('--prompt2 <text>', 'XL, 3 and Flux: what the second text encoder reads instead')
    .option('--prompt3 <text>', 'Stable Diffusion 3: what the third text encoder reads instead')
    .option('--negative-prompt2 <text>', 'the same of the negative prompt')
    .option('--max-sequence-length <n>', '3 and Flux: tokens that T5 reads of a prompt', atLeast(1))
    .option('--true-cfg-scale <x>', 'Flux: how much the picture is led away from --negative-prompt', number)
    .addOption(
      new Option('--few-steps <kind>', 'scheduler, steps and guidance of a model of few steps').choices(
        Object.keys(fewStepSettings),
      ),
    )
    .option('--steps <n>', "denoising steps (default: 20, or the model's own if they are fewer)", atLeast(1))
    .option(
      '--guidance-scale <x>',
      "how closely the prompt is followed; 1 is off (default: 7.5, or the model's own)",
      number,
    )
    .option('--guidance-rescale <x>', 'against overexposure, 0 to 1', number)
    .option(
      '--seed <n>',
      'seed of the noise; random unless given. Several with commas between them: one for each picture',
      seeds,
    )
    .option('--seed-per-image', 'give the pictures the seeds n, n+1, …, each what that seed gives alone')
    .option(
      '--rng <name>',
      'whose random numbers: torch-cpu (the default, cpu), torch-cuda (gpu, nv), numpy, …',
      rng,
    )
    .option('--variation-seed <n>', 'seed of a second noise that is mixed in; random unless given', seed)
    .option('--variation-strength <x>', 'how much of the second noise, 0 to 1 (default: 0)', number)
    .option(
      '--seed-resize-from <WxH>',
      'keep the middle of the noise that the seed gives for this size',
      size,
    )
    .option('--eta-noise-seed-delta <n>', "added to the seed for a stochastic sampler's noise", integer)
    .option(
      '--scheduler <name>',
      'sampler, for instance euler, euler_a, ddim, dpm++2m, "DPM++ 2M Karras"; the model\'s own unless given',
    )
    .option('--width <pixels>', "the model's own unless given", atLeast(1))
    .option('--height <pixels>', "the model's own unless given", atLeast(1))
    .option('--images <n>', 'number of pictures', atLeast(1))
    .option('--clip-skip <n>', "how many of the text encoder's last layers are left out", atLeast(0))
    .option('--eta <x>', 'amount of noise that a stochastic sampler adds', number)
    .option(
      '--embedding <file[:strength]>',
      'embedding that the prompt may name (.pt, .bin, .safetensors, PNG card); may be given several times',
      adapterFiles,
    )
    .option(
      '--lora <file[:strength]>',
      'LoRA or one of its family, 1 unless the strength is given; may be given several times',
      adapterFiles,
    )
    .option('--hypernetwork <file[:strength]>', 'hypernetwork of A1111, likewise', adapterFiles)
    .option('--truncate-prompt', 'cut a prompt that is longer than the model reads')
    .addOption(
      new Option('--device <device>', 'what to run on')
        .choices(['auto', ...deviceKinds.filter((kind) => kind !== 'wasm')])
        .default('auto'),
    )
    .addOption(
      new Option('--dtype <type>', 'which copy of the weights to read').choices(['float32', 'float16']),
    )
    .option('--image <file>', 'PNG to start from instead of noise')
    .option(
      '--strength <x>',
      "how much of --image is painted over, above 0 to 1 (default: 0.8, or the model's own; with --mask 1)",
      number,
    )
    .option('--mask <file>', 'PNG of the size of --image, white where it is painted')
    .option('--mask-blur <pixels>', "softens the mask's edge", number)
    .option('--padding-mask-crop <pixels>', 'paint only what is masked and a margin', atLeast(0))
    .option(
      '--expand <pixels>',
      'widen --image on all sides, or as top,right,bottom,left say, and paint what is new',
      margins,
    )
    .option(
      '--image-guidance-scale <x>',
      'how much is kept of --image by a model that is instructed (default: 1.5)',
      number,
    )
    .option(
      '--hires-scale <x>',
      'paint small, then enlarge the picture as many times and paint over it',
      number,
    )
    .option('--hires-strength <x>', 'how much is painted over, above 0 to 1 (default: 0.7)', number)
    .option('--hires-steps <n>', 'steps of the second pass (default: as many as --steps)', atLeast(1))
    .option('--noise-level <n>', 'noise on --image, which an upscaler enlarges (default: 20)', atLeast(0))
    .option('--frames <n>', 'a walk of as many pictures between the seeds, or to another prompt', atLeast(2))
    .option('--to <prompt>', 'the prompt that the walk ends with')
    .option('--refiner <model>', "XL's refiner, or another model, which goes on with the latents")
    .option('--refiner-start <x>', 'share of the denoising from which it does (default: 0.8)', number)
    .option(
      '--memory-budget <size>',
      'what the model may take of memory, for instance 4GB: what fits stays loaded, the rest comes and goes',
      bytes,
    )
    .option('--plan', 'say what the picture would take of memory, and paint nothing')
    .addOption(
      new Option(
        '--vae-tiling <when>',
        'decode by tiles, in less memory and more time; auto does where it is needed',
      )
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .option('--preview <file>', 'PNG that shows after each step what the picture becomes')
    .option(
      '--preview-vae <model>',
      'a tiny autoencoder (TAESD) to make previews with: a folder or owner/name',
    )
    .addOption(
      new Option(
        '--preview-method <method>',
        "what makes previews: tiny, as is with --preview-vae, projection, a small picture without a network, which else is where one is known, or the model's own vae",
      ).choices(previewMethods),
    )
    .option('--latents <file>', 'safetensors with the noise to start from')
    .option('--save-latents <file>', 'safetensors to write the final latents to')
    .option('--json', 'print one JSON object a line: progress, result or error')
    .option('--verbose', 'print where an error arose')
    .action((prompt: string, options: PaintOptions & ReportOptions) =>
      run(options, (report, signal) => paint(prompt, options, report, signal)),
    );
  return root;
}

/** Runs `command` with an abort signal that Ctrl-C and a request to end trip. */
async function interruptible(command: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT' || signal === 'SIGTERM') controller.abort(new InterruptedError(signal));
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await command(controller.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function describe(error: unknown): { name: string; message: string; exitCode: number } {
  if (InterruptedError.is(error))
    return { name: error.name, message: error.message, exitCode: error.exitCode };
  if (EmulsionError.is(error)) return { name: error.name, message: error.message, exitCode: 1 };
  const message = error instanceof Error ? error.message : String(error);
  const name = error instanceof Error ? error.name : 'Error';
  return { name, message: `${message} (unexpected; --verbose shows where it arose)`, exitCode: 1 };
}

/**
 * The `emulsion` command.
 * @param args the command line without the program's name
 * @returns the exit code: 0, 1 for an error, 130 after Ctrl-C
 */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  // Who reads along may go: the pictures are painted all the same.
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(ignoreClosedPipe)) stream.on('error', ignoreClosedPipe);
  }
  const root = program(async (options, command) => {
    const report = options.json ? jsonReport() : terminalReport();
    try {
      await interruptible((signal) => command(report, signal));
    } catch (error) {
      const { name, message, exitCode: code } = describe(error);
      exitCode = code;
      report.send({ event: 'error', name, message });
      if (options.verbose && error instanceof Error) process.stderr.write(`${stackOf(error)}\n`);
    } finally {
      report.close();
    }
  });
  try {
    await root.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Help and wrong usage: commander has printed what there is to say.
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  return exitCode;
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** Where an error arose, and its causes. */
function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\nCaused by: ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
