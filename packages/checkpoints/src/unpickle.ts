// Python's pickle format, read without running anything: https://docs.python.org/3/library/pickletools.html
//
// A pickle is a program for a small stack machine. It can name any function of Python and call it, which is how a
// model's file can take over a computer. Here a name is looked up in what the caller gives, and nowhere else.

/** The pickle is not one, or asks for what is not read; the caller knows the file's name. */
export class PickleProblem extends Error {
  /** Whether the bytes end before the pickle does. */
  readonly truncated: boolean;

  constructor(problem: string, { truncated = false } = {}) {
    super(problem);
    this.truncated = truncated;
  }
}

/** What a name in a pickle stands for: called with the arguments that the pickle gives. */
export type PickleFunction = (args: readonly unknown[]) => unknown;

/** An object whose class is known by name only: what it was called with, and its attributes. */
export class PickleObject {
  readonly className: string;
  readonly args: readonly unknown[];
  /** What `__setstate__` is given: mostly a map of attributes. */
  state: unknown;

  constructor(className: string, args: readonly unknown[]) {
    this.className = className;
    this.args = args;
  }
}

/** What a pickle refers to. */
export interface UnpickleOptions {
  /** What `module.name` stands for. @throws for a name that is not known */
  readonly global: (module: string, name: string) => PickleFunction;
  /** What stands for an object that lies outside of the pickle. */
  readonly persistent: (id: unknown) => unknown;
}

/**
 * Steps that a pickle may take. One of a whole model with its optimizer has some hundred thousand; a hostile one could
 * fill the memory with an empty map for each of its bytes.
 */
const maxSteps = 1_000_000;
/** Arguments of a call that are looked at; PyTorch's functions have 8 at most. */
const maxArguments = 16;
/** Characters of a module and a name. */
const maxNameLength = 1000;
/** Bytes of an integer; PyTorch's files have 10 at most. */
const maxIntegerBytes = 255;

/**
 * Reads the pickle that starts at byte `start`. Dicts are maps, lists and tuples are arrays, None is null, integers are
 * numbers where these are exact, else bigints.
 * @returns its value, and the byte after its end
 * @throws {PickleProblem} and what `global` and `persistent` throw
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  options: UnpickleOptions,
): { readonly value: unknown; readonly end: number } {
  const machine = new Machine(bytes, start, options);
  for (;;) {
    machine.charge(1);
    const code = machine.byte();
    if (code === STOP) return { value: machine.pop(), end: machine.position };
    const operation = operations.get(code);
    if (!operation)
      throw new PickleProblem(`its pickle has the operation 0x${code.toString(16)}, which is not known`);
    operation(machine);
  }
}

/** The stack, what was put aside by number, and the place in the program. */
class Machine {
  position: number;
  readonly options: UnpickleOptions;
  readonly memo = new Map<number, unknown>();
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #stack: unknown[] = [];
  #steps = 0;
  /** The stacks below each mark. */
  readonly #below: unknown[][] = [];

  constructor(bytes: Uint8Array, start: number, options: UnpickleOptions) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = start;
    this.options = options;
  }

  /** Counts steps; a call that goes over a list takes as many as that has elements. */
  charge(steps: number): void {
    this.#steps += steps;
    if (this.#steps > maxSteps) throw new PickleProblem(`its pickle takes more than ${maxSteps} steps`);
  }

  /** Moves on by `length` bytes and gives the place of the first. */
  #advance(length: number): number {
    const at = this.position;
    if (length > this.#bytes.length - at) {
      throw new PickleProblem('its pickle is cut short', { truncated: true });
    }
    this.position = at + length;
    return at;
  }

  byte(): number {
    return this.#view.getUint8(this.#advance(1));
  }
  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }
  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }
  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }
  float64(): number {
    return this.#view.getFloat64(this.#advance(8)); // the one big-endian number of the format
  }
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }
  text(length: number): string {
    return utf8.decode(this.bytes(length));
  }
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new PickleProblem('its pickle is cut short', { truncated: true });
    const text = this.text(end - this.position);
    this.position = end + 1;
    return text;
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }
  pop(): unknown {
    if (this.#stack.length === 0) throw new PickleProblem('its pickle takes from an empty stack');
    return this.#stack.pop();
  }
  top(): unknown {
    if (this.#stack.length === 0) throw new PickleProblem('its pickle takes from an empty stack');
    return this.#stack.at(-1);
  }
  mark(): void {
    this.#below.push(this.#stack);
    this.#stack = [];
  }
  /** What was pushed since the last mark. */
  popToMark(): unknown[] {
    const below = this.#below.pop();
    if (!below) throw new PickleProblem('its pickle goes back to a mark that it has not set');
    const values = this.#stack;
    this.#stack = below;
    return values;
  }
}

const utf8 = new TextDecoder();
const latin1 = new TextDecoder('latin1');

/** A little-endian two's complement integer. */
function integer(bytes: Uint8Array): number | bigint {
  if (bytes.length > maxIntegerBytes) {
    throw new PickleProblem(`its pickle has an integer of ${bytes.length} bytes`);
  }
  let value = 0n;
  for (const byte of bytes.toReversed()) value = value * 256n + BigInt(byte);
  return small(BigInt.asIntN(8 * bytes.length, value));
}

const small = (value: bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value;

/** An integer that is written out. */
function decimal(text: string): number | bigint {
  if (text.length > maxIntegerBytes || !/^[+-]?\d+$/.test(text)) {
    throw new PickleProblem('its pickle has an integer that is none');
  }
  return small(BigInt(text));
}

function asMap(value: unknown): Map<unknown, unknown> {
  if (value instanceof Map) return value;
  throw new PickleProblem('its pickle sets items of what is not a dict');
}

function asArray(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new PickleProblem('its pickle takes what is not a list for one');
}

function setItems(map: Map<unknown, unknown>, items: readonly unknown[]): Map<unknown, unknown> {
  if (items.length % 2 === 1) throw new PickleProblem('its pickle has a key without a value');
  for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  return map;
}

/** Calls what lies below the top of the stack with the arguments that lie on it. */
function call(m: Machine): void {
  const [args, target] = [asArray(m.pop()), m.pop()];
  if (typeof target !== 'function') throw new PickleProblem('its pickle calls what is not a function');
  for (const arg of args.slice(0, maxArguments)) if (Array.isArray(arg)) m.charge(arg.length);
  // Functions come from `options.global` alone.
  m.push((target as PickleFunction)(args.slice(0, maxArguments)));
}

function recall(m: Machine, index: number): void {
  if (!m.memo.has(index))
    throw new PickleProblem(`its pickle recalls the value ${index}, which it has not put aside`);
  m.push(m.memo.get(index));
}

const global = (m: Machine, module: unknown, name: unknown) => {
  if (typeof module !== 'string' || typeof name !== 'string') {
    throw new PickleProblem('its pickle has a name that is not text');
  }
  if (module.length + name.length > maxNameLength) throw new PickleProblem('its pickle has an endless name');
  m.push(m.options.global(module, name));
};

const STOP = 0x2e;

/** The operations by their byte, with the names that Python's pickletools gives them. */
const operations = new Map<number, (m: Machine) => void>([
  // Numbers and constants.
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [
    0x49, // INT
    (m) => {
      const line = m.line();
      m.push(line === '01' ? true : line === '00' ? false : decimal(line));
    },
  ],
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x4c, (m) => m.push(decimal(m.line().replace(/L$/, '')))], // LONG
  [0x8a, (m) => m.push(integer(m.bytes(m.byte())))], // LONG1
  [0x8b, (m) => m.push(integer(m.bytes(m.uint32())))], // LONG4
  [0x46, (m) => m.push(Number(m.line()))], // FLOAT
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  // Text and bytes; Python 2 wrote bytes where text is meant.
  [0x58, (m) => m.push(m.text(m.uint32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.uint64()))], // BINUNICODE8
  [0x56, (m) => m.push(m.line())], // UNICODE
  [0x54, (m) => m.push(latin1.decode(m.bytes(m.uint32())))], // BINSTRING
  [0x55, (m) => m.push(latin1.decode(m.bytes(m.byte())))], // SHORT_BINSTRING
  [0x42, (m) => m.push(m.bytes(m.uint32()))], // BINBYTES
  [0x43, (m) => m.push(m.bytes(m.byte()))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.bytes(m.uint64()))], // BINBYTES8
  [0x96, (m) => m.push(m.bytes(m.uint64()))], // BYTEARRAY8
  // Lists and tuples.
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x6c, (m) => m.push(m.popToMark())], // LIST
  [0x74, (m) => m.push(m.popToMark())], // TUPLE
  [0x85, (m) => m.push([m.pop()])], // TUPLE1
  [0x86, (m) => m.push([m.pop(), m.pop()].reverse())], // TUPLE2
  [0x87, (m) => m.push([m.pop(), m.pop(), m.pop()].reverse())], // TUPLE3
  [
    0x61, // APPEND
    (m) => {
      const value = m.pop();
      asArray(m.top()).push(value);
    },
  ],
  [
    0x65, // APPENDS
    (m) => {
      const values = m.popToMark();
      const list = asArray(m.top());
      for (const value of values) list.push(value);
    },
  ],
  // Dicts and sets.
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x64, (m) => m.push(setItems(new Map(), m.popToMark()))], // DICT
  [
    0x73, // SETITEM
    (m) => {
      const [value, key] = [m.pop(), m.pop()];
      asMap(m.top()).set(key, value);
    },
  ],
  [
    0x75, // SETITEMS
    (m) => {
      const items = m.popToMark();
      setItems(asMap(m.top()), items);
    },
  ],
  [0x8f, (m) => m.push(new Set())], // EMPTY_SET
  [0x91, (m) => m.push(new Set(m.popToMark()))], // FROZENSET
  [
    0x90, // ADDITEMS
    (m) => {
      const items = m.popToMark();
      const set = m.top();
      if (!(set instanceof Set)) throw new PickleProblem('its pickle adds items to what is not a set');
      for (const item of items) set.add(item);
    },
  ],
  // The stack and what is put aside.
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  [0x67, (m) => recall(m, Number(m.line()))], // GET
  [0x68, (m) => recall(m, m.byte())], // BINGET
  [0x6a, (m) => recall(m, m.uint32())], // LONG_BINGET
  [0x70, (m) => void m.memo.set(Number(m.line()), m.top())], // PUT
  [0x71, (m) => void m.memo.set(m.byte(), m.top())], // BINPUT
  [0x72, (m) => void m.memo.set(m.uint32(), m.top())], // LONG_BINPUT
  [0x94, (m) => void m.memo.set(m.memo.size, m.top())], // MEMOIZE
  // Names, calls and objects.
  [0x63, (m) => global(m, m.line(), m.line())], // GLOBAL
  [
    0x93, // STACK_GLOBAL
    (m) => {
      const [name, module] = [m.pop(), m.pop()];
      global(m, module, name);
    },
  ],
  [0x52, call], // REDUCE
  [0x81, call], // NEWOBJ
  [
    0x62, // BUILD
    (m) => {
      const state = m.pop();
      const object = m.top();
      // Elements are set otherwise: of dicts and tensors these are notes, such as the versions of modules.
      if (object instanceof PickleObject) object.state = state;
    },
  ],
  [0x51, (m) => m.push(m.options.persistent(m.pop()))], // BINPERSID
  [0x50, (m) => m.push(m.options.persistent(m.line()))], // PERSID
  // The frame of the program.
  [0x80, (m) => void m.byte()], // PROTO
  [0x95, (m) => void m.uint64()], // FRAME
]);
