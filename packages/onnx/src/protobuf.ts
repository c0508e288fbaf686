// Messages of protobuf (proto2) by tables of their fields: generated code brings descriptions that are ten times as large.
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** How a value stands in the bytes. */
export interface Codec<Value> {
  readonly wireType: WireType;
  read(reader: BinaryReader): Value;
  write(writer: BinaryWriter, value: Value): void;
}

const codec = <Value>(
  wireType: WireType,
  read: (reader: BinaryReader) => Value,
  write: (writer: BinaryWriter, value: Value) => void,
): Codec<Value> => ({ wireType, read, write });

export const int32: Codec<number> = codec(
  WireType.Varint,
  (reader) => reader.int32(),
  (writer, value) => writer.int32(value),
);
export const int64: Codec<bigint> = codec(
  WireType.Varint,
  (reader) => BigInt(reader.int64()),
  (writer, value) => writer.int64(value),
);
export const uint64: Codec<bigint> = codec(
  WireType.Varint,
  (reader) => BigInt(reader.uint64()),
  (writer, value) => writer.uint64(value),
);
export const float: Codec<number> = codec(
  WireType.Bit32,
  (reader) => reader.float(),
  (writer, value) => writer.float(value),
);
export const double: Codec<number> = codec(
  WireType.Bit64,
  (reader) => reader.double(),
  (writer, value) => writer.double(value),
);
export const string: Codec<string> = codec(
  WireType.LengthDelimited,
  (reader) => reader.string(),
  (writer, value) => writer.string(value),
);
export const bytes: Codec<Uint8Array> = codec(
  WireType.LengthDelimited,
  (reader) => reader.bytes(),
  (writer, value) => writer.bytes(value),
);

/** A field: its number, what it holds, and how often. */
export interface Field<Value> {
  readonly number: number;
  /** A function, for messages that hold each other. */
  codec(): Codec<Value>;
  readonly times: 'once' | 'repeated' | 'packed';
}

/** A field that a message has once or not at all. */
export const once = <Value>(number: number, codec: () => Codec<Value>): Field<Value> => ({
  number,
  codec,
  times: 'once',
});

/** A field that a message has any number of times. */
export const repeated = <Value>(number: number, codec: () => Codec<Value>): Field<Value> => ({
  number,
  codec,
  times: 'repeated',
});

/** Numbers one after the other. */
export const packed = <Value>(number: number, codec: () => Codec<Value>): Field<Value> => ({
  number,
  codec,
  times: 'packed',
});

/** The fields of a message by their names, ascending by their numbers. */
export type Fields<Message> = {
  readonly [Name in keyof Message]-?: Message[Name] extends readonly (infer Item)[]
    ? Field<Item>
    : Field<NonNullable<Message[Name]>>;
};

/** What is written of a message: the fields that are given. */
export type Draft<Value> = Value extends Uint8Array | string | number | bigint | undefined
  ? Value
  : Value extends readonly (infer Item)[]
    ? readonly Draft<Item>[]
    : { readonly [Name in keyof Value]?: Draft<Value[Name]> | undefined };

/** A message, also one that is nobody's part, whose length is not in the bytes. */
export interface MessageCodec<Message> extends Codec<Message> {
  readUntil(reader: BinaryReader, end: number): Message;
  writeFields(writer: BinaryWriter, message: Draft<Message>): void;
}

/** A message of these fields: those that come once or undefined, the others lists. */
export function message<Message extends object>(fields: Fields<Message>): MessageCodec<Message> {
  const entries = Object.entries(fields as Record<string, Field<unknown>>); // the mapped type, by any name
  const byNumber = new Map(entries.map(([name, field]) => [field.number, { name, ...field }]));
  const readUntil = (reader: BinaryReader, end: number): Message => {
    const read: Record<string, unknown> = {};
    for (const [name, { times }] of entries) if (times !== 'once') read[name] = [];
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      const field = byNumber.get(number);
      if (field) readField(reader, wireType, field, read);
      else reader.skip(wireType, number);
    }
    if (reader.pos !== end) throw new RangeError(`a message ends at ${reader.pos}, not at ${end}`);
    return read as Message; // of its own fields
  };
  const writeFields = (writer: BinaryWriter, draft: Draft<Message>) => {
    const values = draft as Readonly<Record<string, unknown>>;
    for (const [name, field] of entries) writeField(writer, field, values[name]);
  };
  return {
    wireType: WireType.LengthDelimited,
    readUntil,
    writeFields,
    read: (reader) => readUntil(reader, lengthDelimitedEnd(reader)),
    write(writer, value) {
      writer.fork();
      writeFields(writer, value as Draft<Message>); // a whole message is a draft of it
      writer.join();
    },
  };
}

/** Reads a length, and gives where what has it ends. */
function lengthDelimitedEnd(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function readField(
  reader: BinaryReader,
  wireType: WireType,
  { name, times, codec }: Field<unknown> & { readonly name: string },
  message: Record<string, unknown>,
): void {
  const { wireType: own, read } = codec();
  // Numbers may be packed, whatever the table says.
  const isPacked = times !== 'once' && wireType === WireType.LengthDelimited && own !== wireType;
  if (!isPacked && wireType !== own) throw new Error(`field "${name}" is of wire type ${wireType}`);
  if (times === 'once') {
    message[name] = read(reader);
    return;
  }
  const list = message[name] as unknown[]; // it was made with the message
  if (!isPacked) list.push(read(reader));
  else for (const end = lengthDelimitedEnd(reader); reader.pos < end; ) list.push(read(reader));
}

function writeField(writer: BinaryWriter, { number, codec, times }: Field<unknown>, value: unknown): void {
  if (value === undefined) return;
  const { wireType, write } = codec();
  if (times === 'packed') {
    const list = value as readonly unknown[]; // the field is a list
    if (list.length === 0) return;
    writer.tag(number, WireType.LengthDelimited).fork();
    for (const item of list) write(writer, item);
    writer.join();
    return;
  }
  for (const item of times === 'once' ? [value] : (value as readonly unknown[])) {
    write(writer.tag(number, wireType), item);
  }
}

/** The message that the bytes are. @throws if they are none, or not a whole one */
export const fromBytes = <Message>({ readUntil }: MessageCodec<Message>, bytes: Uint8Array): Message =>
  readUntil(new BinaryReader(bytes), bytes.length);

/** The bytes of a message. */
export function toBytes<Message>({ writeFields }: MessageCodec<Message>, draft: Draft<Message>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, draft);
  return writer.finish();
}
