// Sessions that share the memory of a device: each is loaded when it is needed, and leaves when others need the room.
import { GraphError, inputShapes, type Model, weightMemory } from '@emulsion/onnx';
import type { AnyTensor, Tensor } from '@emulsion/tensor';
import { chooseLeaving } from './choose-leaving.ts';
import type { Cancellable, Device, Feed, HeldTensor, Session } from './device.ts';
import { RunError } from './errors.ts';
import { runMemory } from './run-memory.ts';
import { untilAborted } from './until-aborted.ts';
import type { Workspace } from './workspace.ts';

/** A session of a pool, loaded or not. */
export interface PoolMember {
  /** The name of its graph. */
  readonly name: string;
  /** When it is needed: sessions of stage 0 run first, then those of stage 1 … and in the end again those of stage 0. */
  readonly stage: number;
  /** Names of its inputs. */
  readonly inputs: readonly string[];
  /** Bytes of its weights in files and in memory. */
  readonly storedBytes: number;
  readonly weightBytes: number;
  /** Bytes of its largest run since it was loaded, by estimate: sessions keep them for the next. */
  readonly activationBytes: number;
  readonly isLoaded: boolean;
  /**
   * Bytes of a run, with `sizes` for the names of sizes in the shapes of its inputs: an estimate. `undefined` if the
   * graph does not tell.
   */
  activationsFor(sizes: Readonly<Record<string, number>>): number | undefined;
}

export interface SessionPoolOptions {
  /** How many stages there are. */
  readonly stages: number;
  /** The stage of a graph with such inputs, from 0. */
  readonly stageOf: (inputs: readonly string[]) => number;
  /** Bytes that sessions may take together; asked each time that one is about to run. */
  readonly limit: (members: readonly PoolMember[]) => number;
  /** Whether a session is loaded when it is created, and not when it first runs; asked each time, never unless given. */
  readonly loadsAtOnce?: (() => boolean) | undefined;
  /** Told when a session is about to be loaded, and when it is. */
  readonly onLoad?: ((name: string, isLoaded: boolean) => void) | undefined;
}

/** The bytes that a loaded member takes. */
const bytesOf = ({ weightBytes, activationBytes }: PoolMember) => weightBytes + activationBytes;

/** Shares a device among sessions that together may take too much memory. */
export class SessionPool {
  /** The device whose sessions are the pool's. */
  readonly device: Device;
  readonly #device: Device;
  readonly #options: SessionPoolOptions;
  readonly #members = new Set<Member>();
  readonly #held = new Map<number, number>();
  /** What the pool is doing; one thing after the other. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(device: Device, options: SessionPoolOptions) {
    this.#options = options;
    this.#device = device;
    this.device = new PooledDevice(device, (model, { signal }) => this.#add(model, signal));
  }

  /** Its sessions, loaded or not. */
  get members(): readonly PoolMember[] {
    return [...this.#members];
  }

  /** Loads, in the order in which they are needed, the sessions that fit beside each other. @throws {SessionError} */
  async loadWhatFits({ signal }: Cancellable = {}): Promise<void> {
    for (const member of [...this.#members].toSorted((a, b) => a.stage - b.stage)) {
      signal?.throwIfAborted();
      const load = this.#exclusively(async () => {
        if (this.#taken() + member.weightBytes <= this.#limit()) await this.#load(member);
      });
      await untilAborted(load, signal);
    }
  }

  /** Keeps what is loaded of a stage while `work` lasts, also where sessions of others run. */
  async hold<Result>(stage: number, work: () => Promise<Result>): Promise<Result> {
    const count = (change: number) => this.#held.set(stage, (this.#held.get(stage) ?? 0) + change);
    count(1);
    try {
      return await work();
    } finally {
      count(-1);
    }
  }

  /** Unloads what is over the limit, when all stages are over. */
  trim(): Promise<void> {
    return this.#exclusively(async () => {
      await this.#makeRoom([...this.#members], this.#taken() - this.#limit(), 0);
    });
  }

  async #add(model: Model, signal: AbortSignal | undefined): Promise<Session> {
    const member = new Member(model, this.#options.stageOf(model.graph.inputs.map(({ name }) => name)));
    this.#members.add(member);
    if (this.#options.loadsAtOnce?.()) {
      const load = this.#exclusively(() => this.#load(member));
      try {
        await untilAborted(load, signal);
      } catch (error) {
        // Nobody is given it. What is still being loaded leaves when it is there.
        void this.#exclusively(() => this.#remove(member)).catch(() => {});
        throw error;
      }
    }
    return {
      run: (feeds, options) => untilAborted(this.#run(member, feeds, options), options?.signal),
      dispose: () => this.#exclusively(() => this.#remove(member)),
    };
  }

  async #run(
    member: Member,
    feeds: Readonly<Record<string, Feed>>,
    options: Cancellable = {},
  ): Promise<Record<string, Tensor>> {
    options.signal?.throwIfAborted();
    const session = await this.#exclusively(async () => {
      options.signal?.throwIfAborted();
      if (!this.#members.has(member))
        throw new RunError(`${member.name} was disposed. Load it again to run it.`);
      const others = [...this.#members].filter((other) => other !== member);
      member.expect(feeds);
      const free = this.#limit() - bytesOf(member);
      const mayLeave = others.filter(({ stage }) => stage !== member.stage);
      await this.#makeRoom(mayLeave, sum(others) - free, member.stage);
      const loaded = await this.#load(member);
      member.runs++;
      return loaded;
    });
    try {
      return await session.run(feeds, options);
    } finally {
      member.runs--;
    }
  }

  async #makeRoom(candidates: readonly Member[], bytes: number, stage: number): Promise<void> {
    const free = candidates.filter(
      (member) => member.isLoaded && member.runs === 0 && (this.#held.get(member.stage) ?? 0) === 0,
    );
    for (const member of chooseLeaving(free, { bytes, stage, stages: this.#options.stages }))
      await member.unload();
  }

  async #load(member: Member): Promise<Session> {
    if (member.session) return member.session;
    const { onLoad } = this.#options;
    onLoad?.(member.name, false);
    member.session = await this.#device.createSession(member.model);
    onLoad?.(member.name, true);
    return member.session;
  }

  async #remove(member: Member): Promise<void> {
    this.#members.delete(member);
    await member.unload();
  }

  #limit = () => this.#options.limit(this.members);

  #taken = () => sum([...this.#members]);

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}

/** Bytes that those which are loaded take. */
const sum = (members: readonly Member[]) =>
  members.reduce((total, member) => total + (member.isLoaded ? bytesOf(member) : 0), 0);

class Member implements PoolMember {
  readonly model: Model;
  readonly stage: number;
  readonly storedBytes: number;
  readonly weightBytes: number;
  activationBytes = 0;
  session: Session | undefined;
  /** How many of its runs are under way. */
  runs = 0;
  readonly #estimates = new Map<string, number>();

  constructor(model: Model, stage: number) {
    this.model = model;
    this.stage = stage;
    const { stored, loaded } = weightMemory(model);
    this.storedBytes = stored;
    this.weightBytes = loaded;
  }

  get name(): string {
    return this.model.graph.name;
  }

  get inputs(): string[] {
    return this.model.graph.inputs.map(({ name }) => name);
  }

  get isLoaded(): boolean {
    return this.session !== undefined;
  }

  get bytes(): number {
    return bytesOf(this);
  }

  activationsFor(sizes: Readonly<Record<string, number>>): number | undefined {
    const shapes = inputShapes(this.model, sizes);
    return shapes && runMemory(this.model, shapes);
  }

  /** Takes the activations of a run that is to come into account. */
  expect(feeds: Readonly<Record<string, Feed>>): void {
    const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
    const key = JSON.stringify(shapes);
    const known = this.#estimates.get(key) ?? estimate(this.model, shapes);
    this.#estimates.set(key, known);
    this.activationBytes = Math.max(this.activationBytes, known);
  }

  async unload(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    this.activationBytes = 0;
    await session?.dispose();
  }
}

/** Shapes that do not fit are the run's to refuse. */
function estimate(model: Model, shapes: Readonly<Record<string, readonly number[]>>): number {
  try {
    return runMemory(model, shapes) ?? 0;
  } catch (error) {
    if (GraphError.is(error)) return 0;
    throw error;
  }
}

/** A device's front for the pool. */
class PooledDevice implements Device {
  readonly #device: Device;
  readonly #create: (model: Model, options: Cancellable) => Promise<Session>;

  constructor(device: Device, create: (model: Model, options: Cancellable) => Promise<Session>) {
    this.#device = device;
    this.#create = create;
  }

  get kind() {
    return this.#device.kind;
  }

  get dialect() {
    return this.#device.dialect;
  }

  get notes() {
    return this.#device.notes;
  }

  get ops() {
    return this.#device.ops;
  }

  openWorkspace(): Workspace {
    return this.#device.openWorkspace();
  }

  async createSession(model: Model, options: Cancellable = {}): Promise<Session> {
    options.signal?.throwIfAborted();
    return this.#create(model, options);
  }

  hold(tensor: AnyTensor): Promise<HeldTensor> {
    return this.#device.hold(tensor);
  }

  dispose(): Promise<void> {
    return this.#device.dispose();
  }
}
