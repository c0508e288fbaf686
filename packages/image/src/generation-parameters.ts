// The settings of a picture as text, in the form that A1111's web UI writes and the field reads.

/** What a picture was made from. */
export interface GenerationParameters {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Settings by A1111's names: Steps, Sampler, CFG scale, Seed, Size, … in their order. */
  readonly parameters: Readonly<Record<string, string>>;
}

const negativePrefix = 'Negative prompt: ';

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
    ...(negativePrompt === '' ? [] : [negativePrefix + negativePrompt]),
    settings.join(', '),
  ].join('\n');
}

const setting = /\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;

function unquote(value: string): string {
  if (!value.startsWith('"') || !value.endsWith('"')) return value;
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === 'string' ? text : value;
  } catch {
    return value;
  }
}

/** Fewer pairs than this on the last line, and it belongs to the prompt. */
const leastSettings = 3;

/** Reads what `formatGenerationParameters` or A1111 wrote; any text is at least a prompt. */
export function parseGenerationParameters(text: string): GenerationParameters {
  const lines = text.trim().split('\n');
  const pairs = [...(lines.at(-1) ?? '').matchAll(setting)];
  const hasSettings = pairs.length >= leastSettings;
  const body = hasSettings ? lines.slice(0, -1) : lines;
  const start = body.findIndex((line) => line.startsWith(negativePrefix));
  const positive = start < 0 ? body : body.slice(0, start);
  const negative = start < 0 ? [] : body.slice(start);
  return {
    prompt: positive.join('\n').trim(),
    negativePrompt: negative.join('\n').slice(negativePrefix.length).trim(),
    parameters: hasSettings
      ? Object.fromEntries(pairs.map(([, key, value]) => [key!, unquote(value!.trim())]))
      : {},
  };
}
