// The data, first half: emoji drawings (SVG sets from npm) become sprites with names, in one compact file.
//
// sprites.bin = u32 length of the header (little-endian), JSON header, then for each sprite a zlib stream of
// its pixels: RGBA, premultiplied, 8 bits, planes [4, size, size], each row as differences from the left
// neighbour modulo 256. compose.py reads it and makes pictures with exact captions from it.
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { deflateSync } from 'node:zlib';
import { Resvg } from '@resvg/resvg-js';

const SPRITE_SIZE = 128;

/** Permissive licences only; the share-alike sets (openmoji, emojione-v1) must stay out. */
const ALLOWED_LICENSES = ['Apache-2.0', 'MIT'];

/** Icon set → the style word that captions use for it. */
const STYLES = { noto: 'noto', 'fluent-emoji-flat': 'flat', 'fluent-emoji': '3d' } as const;
type IconSet = keyof typeof STYLES;

/** Subgroups left out: flags and skin tones, people (mostly gendered repeats), signs made of letters. */
const SUBGROUPS_OUT =
  /^(none|skin-tone|hair-style|flag|country-flag|subdivision-flag|person.*|family|hand-prop|zodiac|keycap|alphanum|av-symbol|arrow|transport-sign|gender|math|currency|religion|other-symbol|warning|map|place-map|place-religious)$/;
const SUBGROUPS_KEPT = /^person-fantasy$/;
const LABELS_KEPT =
  /^(check mark|cross mark|yin yang|peace symbol|warning|no entry|radioactive|biohazard|heart suit|globe showing Americas|compass|church|person|baby|child|astronaut|ninja|prince|princess|police officer|detective|cook|farmer)$/;
const LABELS_OUT =
  /o’clock|-thirty|flag|pistol|cigarette|middle finger|^(man|woman|men|women) |person:|Mx Claus|medium|small square|small (orange|blue) diamond|radio button|square button/;

interface EmojiEntry {
  hexcode: string;
  label: string;
  tags?: string[];
  group?: number;
  subgroup?: number;
}
interface IconifySet {
  width?: number;
  height?: number;
  icons: Record<
    string,
    { body: string; hidden?: boolean; left?: number; top?: number; width?: number; height?: number }
  >;
  aliases?: Record<string, { parent: string }>;
}
interface Job {
  set: IconSet;
  name: string;
  label: string;
  tags: string[];
  group: string;
  subgroup: string;
  hexcode: string;
}

const require = createRequire(import.meta.url);
const readJson = <T>(specifier: string): T =>
  JSON.parse(readFileSync(require.resolve(specifier), 'utf8')) as T;

const normalizeHexcode = (hexcode: string): string => hexcode.toUpperCase().replace(/-?FE0F/g, '');

/** "T-Rex’s egg" → "t-rexs-egg", which is how the icon sets name their icons. */
function slug(label: string): string {
  return label
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\u0300-\u036f’'“”".()!]/g, '')
    .replace(/&/g, 'and')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** Every icon that gets a sprite, in an order that depends on nothing but the packages' versions. */
function listJobs(): Job[] {
  const entries = readJson<EmojiEntry[]>('emojibase-data/en/data.json');
  const messages = readJson<{
    groups: { order: number; key: string }[];
    subgroups: { order: number; key: string }[];
  }>('emojibase-data/en/messages.json');
  const groups = new Map(messages.groups.map((group) => [group.order, group.key]));
  const subgroups = new Map(messages.subgroups.map((subgroup) => [subgroup.order, subgroup.key]));
  const jobs: Job[] = [];
  for (const set of Object.keys(STYLES) as IconSet[]) {
    const { license } = readJson<{ license: { spdx: string } }>(`@iconify-json/${set}/info.json`);
    if (!ALLOWED_LICENSES.includes(license.spdx)) {
      throw new Error(
        `render: the set ${set} has licence ${license.spdx}; only ${ALLOWED_LICENSES.join(', ')} may be used`,
      );
    }
    const icons = readJson<IconifySet>(`@iconify-json/${set}/icons.json`);
    const chars = readJson<Record<string, string>>(`@iconify-json/${set}/chars.json`);
    const nameOf = new Map(Object.entries(chars).map(([hexcode, name]) => [normalizeHexcode(hexcode), name]));
    for (const entry of entries) {
      const group = groups.get(entry.group ?? -1) ?? 'none';
      const subgroup = subgroups.get(entry.subgroup ?? -1) ?? 'none';
      const out =
        SUBGROUPS_OUT.test(subgroup) && !SUBGROUPS_KEPT.test(subgroup) && !LABELS_KEPT.test(entry.label);
      if (out || LABELS_OUT.test(entry.label)) continue;
      const candidates = [nameOf.get(normalizeHexcode(entry.hexcode)), slug(entry.label)];
      const name = candidates
        .map((candidate) =>
          candidate === undefined ? undefined : (icons.aliases?.[candidate]?.parent ?? candidate),
        )
        .find((candidate) => candidate !== undefined && icons.icons[candidate] !== undefined);
      if (name === undefined || icons.icons[name]?.hidden) continue;
      jobs.push({
        set,
        name,
        label: entry.label,
        tags: entry.tags ?? [],
        group,
        subgroup,
        hexcode: entry.hexcode,
      });
    }
  }
  return jobs;
}

const iconSets = new Map<IconSet, IconifySet>();

function renderSprite({ set, name }: Job): Buffer {
  const icons = iconSets.get(set) ?? readJson<IconifySet>(`@iconify-json/${set}/icons.json`);
  iconSets.set(set, icons);
  const icon = icons.icons[name]!;
  const width = icon.width ?? icons.width ?? 16;
  const height = icon.height ?? icons.height ?? 16;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${SPRITE_SIZE}" ` +
    `height="${SPRITE_SIZE}" viewBox="${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}">${icon.body}</svg>`;
  const { pixels } = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  const area = SPRITE_SIZE * SPRITE_SIZE;
  if (pixels.length !== area * 4) throw new Error(`${pixels.length} bytes instead of ${area * 4}`);
  const planes = Buffer.alloc(area * 4);
  for (let channel = 0; channel < 4; channel++) {
    for (let i = 0; i < area; i++) {
      const left = i % SPRITE_SIZE === 0 ? 0 : pixels[(i - 1) * 4 + channel]!;
      planes[channel * area + i] = (pixels[i * 4 + channel]! - left) & 255;
    }
  }
  return deflateSync(planes, { level: 9 });
}

/** The renderer aborts its process on a few broken shapes: it runs in a child, which starts anew after each. */
function renderAll(jobs: Job[], workDir: string): Promise<void> {
  const rendered: (Buffer | undefined)[] = [];
  const failed: string[] = [];
  return new Promise((resolve) => {
    const next = (): void => {
      if (rendered.length === jobs.length) {
        write(workDir, jobs, rendered, failed);
        resolve();
        return;
      }
      const child = fork(fileURLToPath(import.meta.url), [String(rendered.length)], {
        serialization: 'advanced',
      });
      child.on('message', ({ stream, error }: { stream?: Uint8Array; error?: string }) => {
        const job = jobs[rendered.length]!;
        if (error !== undefined) failed.push(`${job.set}/${job.name}: ${error}`);
        rendered.push(stream && Buffer.from(stream));
        if (rendered.length % 500 === 0) console.log(`${rendered.length} of ${jobs.length}`);
      });
      child.on('exit', () => {
        const job = jobs[rendered.length];
        if (job) {
          failed.push(`${job.set}/${job.name}: the renderer stopped`);
          rendered.push(undefined);
        }
        next();
      });
    };
    next();
  });
}

function write(workDir: string, jobs: Job[], rendered: (Buffer | undefined)[], failed: string[]): void {
  const sprites: (Omit<Job, 'set' | 'name'> & {
    style: string;
    name: string;
    offset: number;
    length: number;
  })[] = [];
  const streams: Buffer[] = [];
  let offset = 0;
  for (const [i, { set, name, ...rest }] of jobs.entries()) {
    const stream = rendered[i];
    if (!stream) continue;
    sprites.push({ ...rest, name: `${set}/${name}`, style: STYLES[set], offset, length: stream.length });
    streams.push(stream);
    offset += stream.length;
  }
  const header = Buffer.from(JSON.stringify({ size: SPRITE_SIZE, sprites }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  mkdirSync(workDir, { recursive: true });
  writeFileSync(join(workDir, 'sprites.bin.part'), Buffer.concat([length, header, ...streams]));
  renameSync(join(workDir, 'sprites.bin.part'), join(workDir, 'sprites.bin'));
  const counts = Object.values(STYLES).map(
    (style) => `${style} ${sprites.filter((s) => s.style === style).length}`,
  );
  console.log(`${sprites.length} sprites (${counts.join(', ')}), ${(offset / 2 ** 20).toFixed(1)} MiB`);
  for (const line of failed) console.log(`not rendered: ${line}`);
}

if (process.send) {
  for (const job of listJobs().slice(Number(process.argv[2]))) {
    let message: { stream?: Buffer; error?: string };
    try {
      message = { stream: renderSprite(job) };
    } catch (error) {
      message = { error: String(error) };
    }
    // Waiting until the parent has it: an abort on the next icon must not take this one's message along.
    await new Promise((resolve) => process.send!(message, resolve));
  }
  process.disconnect();
} else {
  const { values } = parseArgs({ options: { 'work-dir': { type: 'string' } } });
  if (!values['work-dir']) throw new Error('render: no --work-dir; say where sprites.bin shall go');
  await renderAll(listJobs(), values['work-dir']);
}
