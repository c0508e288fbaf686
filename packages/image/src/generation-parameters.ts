// The settings of a picture as text, in the form that A1111's web UI writes and the field reads.

/** What a picture was made from. */
export interface GenerationParameters {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Settings by A1111's names: Steps, Sampler, CFG scale, Seed, Size, … in their order. */
  readonly parameters: Readonly<Record<string, string>>;
}

const negativePrefix = 'Negative prompt:';

/** Values that would be taken apart are written as JSON texts. */
const quote = (value: string) => (/[,:\n"]/.test(value) ? JSON.stringify(value) : value);

/** The text that goes into the PNG under the keyword `parameters`. */
export function formatGenerationParameters({
  prompt,
  negativePrompt,
  parameters,
}: GenerationParameters): string {
  const settings = Object.entries(parameters).map(([key, value]) => `${key}: ${quote(value)}`);
  return [
    prompt,
    ...(negativePrompt === '' ? [] : [`${negativePrefix} ${negativePrompt}`]),
    settings.join(', '),
  ].join('\n');
}

/** At the start or after a comma: a name, a colon, and a JSON text in double quotes or anything up to the next comma. */
const setting =
  /(?<=^|,)\s*(?<name>\w[\w /-]+):(?:\s*(?<quoted>"(?:[^"\\]|\\.)*")\s*(?=,|$)|(?<plain>[^,]*))/g;

function unquote(quoted: string): string {
  try {
    // The pattern lets nothing but a string through.
    return JSON.parse(quoted) as string;
  } catch {
    return quoted;
  }
}

/** Fewer pairs than this on the last line, and it belongs to the prompt. */
const leastSettings = 3;

/** Reads what `formatGenerationParameters` or A1111 wrote; any text is at least a prompt. */
export function parseGenerationParameters(text: string): GenerationParameters {
  const lines = text.trim().split('\n');
  const pairs = [...(lines.at(-1) ?? '').matchAll(setting)].map(({ groups = {} }) => {
    const { name = '', quoted, plain = '' } = groups;
    return [name, quoted === undefined ? plain.trim() : unquote(quoted)] as const;
  });
  const hasSettings = pairs.length >= leastSettings;
  const body = hasSettings ? lines.slice(0, -1) : lines;
  const start = body.findIndex((line) => line.trim().startsWith(negativePrefix));
  const positive = start < 0 ? body : body.slice(0, start);
  const negative = start < 0 ? [] : body.slice(start);
  return {
    prompt: positive.join('\n').trim(),
    negativePrompt: negative.join('\n').trim().slice(negativePrefix.length).trim(),
    parameters: hasSettings ? Object.fromEntries(pairs) : {},
  };
}
