// How the parts of a pipeline share the memory of their device: what is loaded, and when it leaves.
import { type Cancellable, type Device, type PoolMember, SessionPool } from '@emulsion/runtime';
import { InvalidArgumentError } from '@emulsion/tensor';
import type { Vae, VaeMemory } from '@emulsion/vae';
import type { MemoryPlan, PlannedPart, PlannedPictures } from './memory-plan.ts';

/**
 * What may stay in memory. Unless one of them is given, decoding takes no more than sampling with all parts loaded does,
 * or 1 GB: the network leaves where it would.
 */
export interface MemoryOptions {
  /** Whether all parts stay loaded; if not, each leaves when its share of a picture is done. */
  readonly keepLoaded?: boolean | undefined;
  /** Bytes that parts may take together: what fits stays, and the part that is needed last leaves first. */
  readonly memoryBudget?: number | undefined;
}

/** What a picture goes through, one after the other. */
const stages = { text: 0, encode: 1, denoise: 2, decode: 3 } as const;
const stageCount = Object.keys(stages).length;

/** Inputs that tell what a graph is for; a graph without them denoises. */
const marks: ReadonlyMap<string, number> = new Map([
  ['input_ids', stages.text],
  // Pictures that are prompts are encoded beside them.
  ['pixel_values', stages.text],
  ['embeds', stages.text],
  ['image', stages.encode],
  ['given_start', stages.encode],
  ['features', stages.encode],
  ['latents', stages.decode],
  // Tiles of both halves have it.
  ['inner_start', stages.decode],
]);

const stageOf = (inputs: readonly string[]): number => {
  const mark = [...marks.keys()].find((name) => inputs.includes(name));
  return mark === undefined ? stages.denoise : marks.get(mark)!;
};

/** Keeps the parts of one pipeline within its memory. */
export class PipelineMemory {
  readonly #pool: SessionPool;
  readonly #options: MemoryOptions;
  /** The graphs beside the autoencoder's. */
  #networks: readonly PoolMember[] = [];
  readonly #expected = new Set<string>();
  #vae: Vae | undefined;
  #own: PlannedPictures = { width: 0, height: 0 };
  #tokens = 77;
  #conditions = 2;
  /** What sampling takes with all parts loaded. */
  #weights = 0;
  #activations = 0;

  /**
   * @param loadsAtOnce whether parts that may stay are loaded when they are asked for; if not, only when they run
   * @param onLoad told when a part is about to be loaded, and when it is
   * @throws {InvalidArgumentError} if both options are given, or one makes no sense
   */
  constructor(
    device: Device,
    options: MemoryOptions,
    loadsAtOnce: boolean,
    onLoad?: (component: string, isLoaded: boolean) => void,
  ) {
    assertOptions(options);
    this.#options = options;
    const { keepLoaded, memoryBudget } = options;
    this.#pool = new SessionPool(device, {
      stages: stageCount,
      stageOf,
      limit: () => this.#limit(this.#activations),
      // All parts fit, unless there is a budget: then it is known when all are there.
      loadsAtOnce: () => loadsAtOnce && !this.#vae && keepLoaded !== false && memoryBudget === undefined,
      onLoad,
    });
  }

  /** What the parts are to be loaded on: it notes what they are, and loads them when they run. */
  get device(): Device {
    return this.#pool.device;
  }

  /**
   * Takes note that all parts are there.
   * @param own the size of the model's own pictures
   * @param reading how many tokens of a text CLIP's encoder reads, and how many conditions U-Nets and ControlNets take as
   * one batch, at most
   */
  async complete(
    vae: Vae,
    own: PlannedPictures,
    { tokens = 77, conditions }: { tokens?: number | undefined; conditions: number },
  ): Promise<void> {
    this.#vae = vae;
    this.#tokens = tokens;
    this.#conditions = conditions;
    // The autoencoder loads its halves when they first run.
    this.#networks = this.#pool.members;
    const halves = [
      await vae.encodeMemory(pictureDims(vae, own)),
      await vae.decodeMemory(latentDims(vae, own)),
    ];
    const weights = [
      ...this.#networks.map(({ weightBytes }) => weightBytes),
      ...halves.map(({ weights }) => weights),
    ];
    this.#weights = weights.reduce((sum, bytes) => sum + bytes, 0);
    this.#activations = this.#working(own);
    this.#own = own;
  }

  /**
   * Loads the parts that fit beside each other in the budget, if there is one.
   * @throws {MemoryBudgetError} if not even a small picture does, and the errors of `createSession`
   */
  async load(options: Cancellable): Promise<void> {
    if (this.#options.memoryBudget === undefined) return;
    const side = Math.min(64, this.#own.width, this.#own.height);
    await this.#assertFits({ width: side, height: side });
    await this.#pool.loadWhatFits(options);
  }

  /**
   * Samples latents of `dims` while the networks stay, whatever previews need.
   * @throws {MemoryBudgetError} if the pictures take more than the budget
   */
  async denoise<Result>(dims: readonly number[], work: () => Promise<Result>): Promise<Result> {
    const { scale } = this.#autoencoder.config;
    const [pictures = 1, , height = 0, width = 0] = dims;
    await this.#expect({ pictures, height: height * scale, width: width * scale });
    return this.#pool.hold(stages.denoise, work);
  }

  /**
   * Whether latents of `dims` are better decoded by tiles, or pictures encoded: whole they would take more than may be
   * taken.
   * @param working bytes that networks compute with
   */
  async wantsTiles(
    way: 'encode' | 'decode',
    dims: readonly number[],
    working = this.#activations,
  ): Promise<boolean> {
    const vae = this.#autoencoder;
    if (!vae.hasTiles) return false;
    const { weights, activations = 0 } = await vae[`${way}Memory`](dims);
    return weights + activations > (this.#options.memoryBudget ?? this.#usual(working));
  }

  /** Unloads what does not stay when a picture is done. */
  trim(): Promise<void> {
    return this.#pool.trim();
  }

  /** What pictures take; nothing need be loaded for that. */
  async plan(changes: Partial<PlannedPictures> = {}): Promise<MemoryPlan> {
    const { rehearse } = await import('./memory-plan.ts');
    const vae = this.#autoencoder;
    const asked = { ...this.#own, ...changes };
    const { width, height, pictures = 1, fromImage = false } = asked;
    const latents = latentDims(vae, asked);
    const working = Math.max(this.#activations, this.#working(asked));
    const vaeTiling = await this.wantsTiles('decode', latents, working);
    const parts: PlannedPart[] = [
      ...this.#parts(asked),
      ...(fromImage ? [await this.#encoder(pictureDims(vae, asked), working)] : []),
      halfOf('vae decoder', stages.decode, await vae.decodeMemory(latents, { tiling: vaeTiling })),
    ].toSorted((a, b) => a.stage - b.stage);
    const { memoryBudget: budgetBytes } = this.#options;
    return {
      width,
      height,
      pictures,
      fromImage,
      vaeTiling,
      budgetBytes,
      components: parts.map(({ stage: _, ...component }) => component),
      ...rehearse(parts, stageCount, this.#limit(working)),
    };
  }

  /** What parts may take together, while networks compute with so many bytes. */
  #limit(working: number): number {
    const { keepLoaded, memoryBudget } = this.#options;
    if (memoryBudget !== undefined) return memoryBudget;
    if (keepLoaded !== undefined) return keepLoaded ? Number.POSITIVE_INFINITY : 0;
    return this.#usual(working);
  }

  /** What sampling takes with all parts loaded, or what is too little to mind. */
  #usual(working: number): number {
    return Math.max(this.#weights + working, 1e9);
  }

  get #autoencoder(): Vae {
    if (this.#vae) return this.#vae;
    throw new InvalidArgumentError('memory: its parts are not there yet. Call complete with them first.');
  }

  async #encoder(dims: readonly number[], working: number): Promise<PlannedPart> {
    const tiling = await this.wantsTiles('encode', dims, working);
    return halfOf('vae encoder', stages.encode, await this.#autoencoder.encodeMemory(dims, { tiling }));
  }

  async #assertFits(pictures: PlannedPictures): Promise<void> {
    const { assertWithinBudget } = await import('./memory-plan.ts');
    assertWithinBudget(await this.plan(pictures));
  }

  /** Takes pictures of a size into account. */
  async #expect(pictures: PlannedPictures): Promise<void> {
    const key = JSON.stringify(pictures);
    if (this.#expected.has(key)) return;
    this.#activations = Math.max(this.#activations, this.#working(pictures));
    if (this.#options.memoryBudget !== undefined) await this.#assertFits(pictures);
    this.#expected.add(key);
  }

  /** What the networks compute with. */
  #working(pictures: PlannedPictures): number {
    return this.#parts(pictures)
      .filter(({ stage }) => stage === stages.denoise)
      .reduce((sum, { activationBytes = 0 }) => sum + activationBytes, 0);
  }

  /** The parts beside the autoencoder. */
  #parts(asked: PlannedPictures): PlannedPart[] {
    const [batch = 1, , ...latents] = latentDims(this.#autoencoder, asked);
    // The graphs at hand are those of sizes that can be halved; others take about as much as the next of these.
    const [height = 0, width = 0] = latents.map((length) => Math.ceil(length / 8) * 8);
    const { scale } = this.#autoencoder.config;
    const pixels = { pixel_height: height * scale, pixel_width: width * scale };
    const sizes = { height, width, ...pixels };
    const parts = this.#networks.map((member): PlannedPart => {
      const { name: component, stage, inputs, storedBytes, weightBytes } = member;
      const sequence = sequenceOf(member, this.#tokens);
      const tokens = (height * width) / 4;
      const rows = batch * (isBatched(member) ? this.#conditions : 1);
      const activationBytes = member.activationsFor({
        ...sizes,
        batch: rows,
        // ControlNets see the picture that they follow once for each row, T2I-Adapters once.
        pictures: inputs.includes('sample') ? rows : 1,
        sequence,
        tokens,
        all_tokens: tokens + sequence,
      });
      return { component, stage, storedBytes, weightBytes, activationBytes };
    });
    return numbered(parts);
  }
}

/** Parts of one name are told apart by numbers. */
function numbered(parts: readonly PlannedPart[]): PlannedPart[] {
  return parts.map((part, i) => {
    const before = parts.slice(0, i).filter(({ component }) => component === part.component).length;
    return before === 0 ? part : { ...part, component: `${part.component} ${before + 1}` };
  });
}

/** Whether a run has rows for all conditions: U-Nets and ControlNets take them as one batch, transformers one after the other. */
const isBatched = ({ stage, inputs }: PoolMember) =>
  stage === stages.denoise && !inputs.includes('pooled_text_embeds');

/** Tokens of a text: T5's, which transformers read, or CLIP's. */
const sequenceOf = ({ inputs }: PoolMember, tokens: number) =>
  inputs.includes('distance_buckets') || inputs.includes('pooled_text_embeds') ? 512 : tokens;

const pictureDims = ({ config }: Vae, { width, height, pictures = 1 }: PlannedPictures) => [
  pictures,
  config.inChannels,
  height,
  width,
];

const latentDims = ({ config }: Vae, { width, height, pictures = 1 }: PlannedPictures) => [
  pictures,
  config.latentChannels,
  Math.ceil(height / config.scale),
  Math.ceil(width / config.scale),
];

const halfOf = (
  component: string,
  stage: number,
  { stored, weights, activations }: VaeMemory,
): PlannedPart => ({
  component,
  stage,
  storedBytes: stored,
  weightBytes: weights,
  activationBytes: activations,
});

function assertOptions({ keepLoaded, memoryBudget }: MemoryOptions): void {
  if (memoryBudget === undefined) return;
  if (keepLoaded !== undefined) {
    throw new InvalidArgumentError(
      `keepLoaded is ${keepLoaded} and memoryBudget ${memoryBudget}. Give one of them.`,
    );
  }
  if (!(memoryBudget > 0 && Number.isFinite(memoryBudget)))
    throw new InvalidArgumentError(`memoryBudget is ${memoryBudget}. Give a number of bytes above 0.`);
}
