// A measured program in a process of its own, that takes turns when it is told to: both ends of the channel.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Memory, machineProcessorSeconds, memoryOf, processorSecondsOf } from './processes.ts';

/** The program's end: says `ready`, a line of JSON, and then for every line that comes what a turn gave. */
export async function serve(ready: object, turn: (what: string) => Promise<object>): Promise<void> {
  const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say(ready);
  for await (const what of createInterface({ input: process.stdin })) say(await turn(what));
  process.exit();
}

/** Share of one core that others may take in a turn that counts. */
const allowedDisturbance = 0.05;

/** The measuring end of a program whose turns give `Turn`. */
export class Worker<Turn> {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #disturbed = 0;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Turns that were repeated because other processes were busy. */
  get disturbed(): number {
    return this.#disturbed;
  }

  /** Memory of the program and of all that it started. */
  memory(): Memory {
    return memoryOf(this.#child.pid!);
  }

  /** Waits for the line that the program says when it is ready. */
  async ready<Ready>(): Promise<Ready> {
    return (await this.#line()) as Ready; // both ends are ours
  }

  /** Lets the program take a turn, of the kind that it is told, and another one as long as other processes take more than a little of a core, at most `attempts`. */
  async turn(what = 'turn', { attempts = 6 }: { readonly attempts?: number } = {}): Promise<Turn> {
    for (let attempt = 1; ; attempt++) {
      const [machine, own, start] = [machineProcessorSeconds(), this.#processorSeconds(), performance.now()];
      this.#child.stdin!.write(`${what}\n`);
      const turn = (await this.#line()) as Turn; // both ends are ours
      const wall = (performance.now() - start) / 1000;
      const others = machineProcessorSeconds() - machine - (this.#processorSeconds() - own);
      if (others / wall <= allowedDisturbance || attempt === attempts) return turn;
      this.#disturbed++;
    }
  }

  /** Ends the program. */
  async close(): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.stdin!.end();
    await closed;
  }

  async #line(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`bench: ${this.#child.spawnargs.join(' ')} ended before it was done.`);
    return JSON.parse(value);
  }

  #processorSeconds(): number {
    return processorSecondsOf(this.#child.pid!);
  }
}
