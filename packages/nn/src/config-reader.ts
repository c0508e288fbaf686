// Reads someone else's config.json: checks each value's kind, and says where a wrong one stands.
import { EmulsionError } from '@emulsion/tensor';

/** A config.json has a value of the wrong kind, or one that asks for what is not supported. */
export class ConfigError extends EmulsionError {
  static override readonly className = 'ConfigError';
}

/** One config.json. Each getter takes the value that stands for a missing key. */
export class ConfigReader {
  readonly #owner: string;
  readonly #json: Readonly<Record<string, unknown>>;

  /** @throws {ConfigError} if `json` is not an object */
  constructor(owner: string, json: unknown) {
    this.#owner = owner;
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new ConfigError(`${owner}: its config.json is not an object. Fetch it again.`);
    }
    this.#json = json as Readonly<Record<string, unknown>>; // any object is one, and nothing is assumed of its values
  }

  /** Refuses the configuration: `"key" is value, but …`. */
  fail(key: string, complaint: string): never {
    throw new ConfigError(
      `${this.#owner}: "${key}" in its config.json is ${JSON.stringify(this.#json[key])}; ${complaint}`,
    );
  }

  /** The raw value, `undefined` where it is missing or null. */
  raw(key: string): unknown {
    return this.#json[key] ?? undefined;
  }

  /** Whether the key is there and holds null, which is not the same as a missing one where that stands for a value. */
  isNull(key: string): boolean {
    return this.#json[key] === null;
  }

  number(key: string, missing?: number): number {
    const value = this.raw(key) ?? missing;
    return typeof value === 'number' ? value : this.fail(key, 'a number is wanted.');
  }

  optionalNumber(key: string): number | undefined {
    return this.raw(key) === undefined ? undefined : this.number(key);
  }

  boolean(key: string, missing: boolean): boolean {
    const value = this.raw(key) ?? missing;
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false is wanted.');
  }

  string(key: string, missing?: string): string {
    const value = this.raw(key) ?? missing;
    return typeof value === 'string' ? value : this.fail(key, 'a text is wanted.');
  }

  optionalString(key: string): string | undefined {
    return this.raw(key) === undefined ? undefined : this.string(key);
  }

  /** One of a list of words. */
  oneOf<Word extends string>(key: string, words: readonly Word[], missing?: Word): Word {
    const value = this.raw(key) ?? missing;
    return (
      words.find((word) => word === value) ??
      this.fail(key, `${words.join(', ')} ${words.length > 1 ? 'are' : 'is'} supported.`)
    );
  }

  numbers(key: string): number[] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value;
    return this.fail(key, 'a list of numbers is wanted.');
  }

  strings(key: string): string[] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    return this.fail(key, 'a list of texts is wanted.');
  }

  /** One number for each of `count` blocks; a single number stands for all. */
  perBlock(key: string, count: number, missing?: number): number[] {
    const value = this.raw(key) ?? missing;
    if (typeof value === 'number') return Array.from({ length: count }, () => value);
    const list = this.numbers(key);
    return list.length === count ? list : this.fail(key, `one number for each of ${count} blocks is wanted.`);
  }

  /** For each block one number for each of its `lengths[block]` layers; a single number stands for all, in a block or all. */
  perLayer(key: string, lengths: readonly number[], missing?: number): number[][] {
    const value = this.raw(key) ?? missing;
    const complain = () =>
      this.fail(key, `one number, or for the blocks one each or a list of ${lengths.join(', ')}, is wanted.`);
    const blocks: unknown[] = Array.isArray(value) ? value : lengths.map(() => value);
    if (blocks.length !== lengths.length) complain();
    return blocks.map((block, i) => {
      const layers: unknown[] = Array.isArray(block)
        ? block
        : Array.from({ length: lengths[i]! }, () => block);
      if (layers.length !== lengths[i]) complain();
      return layers.map((layer) => (typeof layer === 'number' ? layer : complain()));
    });
  }

  /** true or false for each of `count` blocks; a single one stands for all. */
  flagPerBlock(key: string, count: number, missing: boolean): boolean[] {
    const value = this.raw(key) ?? missing;
    const flags: unknown[] = Array.isArray(value) ? value : Array.from({ length: count }, () => value);
    if (flags.length === count && flags.every((flag) => typeof flag === 'boolean')) return flags;
    return this.fail(key, `true or false, or one for each of ${count} blocks, is wanted.`);
  }

  /** Refuses a value that would change the network in a way that is not supported. */
  refuseUnless(key: string, supported: readonly unknown[]): void {
    if (!supported.includes(this.#json[key] ?? null)) {
      this.fail(
        key,
        `${supported.map((value) => JSON.stringify(value)).join(', ')} ${supported.length > 1 ? 'are' : 'is'} supported.`,
      );
    }
  }
}
