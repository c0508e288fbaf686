// The caller's end of an inference process: starts it, sends requests, gives answers.
import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DeviceLostError } from '@emulsion/runtime';
import type { Reply, Request, WireTensor } from './protocol.ts';

/** What the inference process said of a request that failed. */
export class RequestFailure extends Error {}

interface Pending {
  readonly resolve: (outputs: Readonly<Record<string, WireTensor>>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes glibc map each block of 128 KiB and more by itself, and so give it back when it is freed. Otherwise it takes to
 * keeping such blocks after the first ones were freed, and what a session held stays with the process.
 */
const returnsMemory = { MALLOC_MMAP_THRESHOLD_: '131072' };

/** How much of what the process printed is kept, to explain its end. */
const keptOutput = 4096;

/** One inference process. It ends when it is closed or when its parent does. */
export class InferenceClient {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #output = '';
  #lost: DeviceLostError | undefined;

  constructor() {
    // The sources run as they are in development, the built file once published.
    const extension = extname(import.meta.url);
    const script = new URL(`./inference-process${extension}`, import.meta.url);
    this.#child = fork(fileURLToPath(script), {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: extension === '.ts' ? ['--conditions=emulsion:source'] : [],
      env: { ...returnsMemory, ...process.env, NODE_NO_WARNINGS: '1' },
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-keptOutput);
    });
    this.#child.on('message', (reply: Reply) => this.#settle(reply)); // only our own script is at the other end
    this.#child.on('error', (cause) => this.#end(`could not be started: ${cause.message}`, cause));
    this.#child.on('close', (code, signal) => this.#end(`ended with ${signal ?? `exit code ${code}`}`));
    this.#idle();
  }

  /** Whether the process has ended. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** The process's number, for measuring its memory. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends a request and waits for its answer. */
  request(request: Request): Promise<Readonly<Record<string, WireTensor>>> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#busy();
      this.#child.send({ id, request }, (error) => {
        if (error) this.#end(`cannot be reached: ${error.message}`, error);
      });
    });
  }

  /** Ends the process at once, whatever it is doing. */
  close(): Promise<void> {
    this.#fail(new DeviceLostError('The device was disposed. Create a new one to go on.'));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#busy();
      this.#child.once('close', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#idle();
    if (reply.ok) pending?.resolve(reply.outputs);
    else pending?.reject(new RequestFailure(reply.message));
  }

  #end(what: string, cause?: unknown): void {
    const printed = this.#output.trim();
    const hint = printed
      ? ` It printed: ${printed}`
      : ' It may have run out of memory: try a smaller picture.';
    this.#fail(new DeviceLostError(`The inference process ${what}.${hint}`, { cause }));
  }

  #fail(error: DeviceLostError): void {
    this.#lost ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
  }

  /** An idle inference process keeps nobody's program from ending. */
  #idle(): void {
    this.#child.unref();
    this.#child.channel?.unref();
    (this.#child.stderr as { unref?: () => void } | null)?.unref?.(); // a pipe is a socket, which the type does not say
  }

  #busy(): void {
    this.#child.ref();
    this.#child.channel?.ref();
  }
}
