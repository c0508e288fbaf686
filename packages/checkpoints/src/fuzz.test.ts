import { createRng, EmulsionError, tensor } from '@emulsion/tensor';
import { expect, test } from 'vitest';
import { openDiffusersFolder } from './diffusers-folder.ts';
import type { Folder } from './folder.ts';
import { memoryFolder } from './memory-folder.ts';
import { openWeights } from './open-weights.ts';
import { openSafetensors } from './safetensors.ts';
import { writeSafetensors } from './write-safetensors.ts';

const encoder = new TextEncoder();

/** Pieces of JSON that a damaged or hostile file may have anywhere. */
const tokens = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '0',
  '-1',
  '9007199254740993',
  '1e999',
  'null',
  '"F64"',
  '"__proto__"',
  '"..."',
  ' ',
  '\0',
  'é',
];

/** Changes of a file, drawn from a seeded generator. */
function mutator(seed: number) {
  const draws = createRng({ kind: 'torch-cpu', seed });
  const below = (limit: number) => Number(draws.integers(0, Math.max(limit, 1), [1]).data[0]);
  const splice = (bytes: Uint8Array, at: number, removed: number, added: Uint8Array) => {
    const rest = bytes.subarray(Math.min(at + removed, bytes.length));
    const result = new Uint8Array(at + added.length + rest.length);
    result.set(bytes.subarray(0, at));
    result.set(added, at);
    result.set(rest, at + added.length);
    return result;
  };
  /** A place in the first 600 bytes, where headers are. */
  const place = (bytes: Uint8Array) => below(Math.min(bytes.length, 600));
  const token = () => encoder.encode(tokens[below(tokens.length)]);
  const changes: readonly ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => splice(bytes, place(bytes), 1, Uint8Array.of(below(256))),
    (bytes) => splice(bytes, place(bytes), 1, token()),
    (bytes) => splice(bytes, place(bytes), 0, token()),
    (bytes) => splice(bytes, place(bytes), below(20), new Uint8Array()),
    (bytes) => splice(bytes, below(8), 1, Uint8Array.of(below(256))),
    (bytes) => bytes.slice(0, below(bytes.length)),
    (bytes) => splice(bytes, bytes.length, 0, new Uint8Array(below(9))),
    (bytes) => {
      const from = place(bytes);
      return splice(bytes, place(bytes), below(30), bytes.slice(from, from + below(60)));
    },
  ];
  return (bytes: Uint8Array): Uint8Array => {
    let result = bytes;
    for (let i = below(3); i >= 0; i--) result = changes[below(changes.length)]!(result);
    return result;
  };
}

/** Opens mutated copies of a file; each must open soundly or fail with an error of Emulsion's. */
async function fuzz(
  seed: number,
  original: Uint8Array,
  open: (mutated: Uint8Array) => Promise<void>,
): Promise<{ opened: number; refused: number }> {
  const mutate = mutator(seed);
  const counts = { opened: 0, refused: 0 };
  for (let i = 0; i < 2000; i++) {
    const mutated = mutate(original);
    try {
      await open(mutated);
      counts.opened++;
    } catch (error) {
      if (!EmulsionError.is(error)) throw new Error(`mutation ${i} of seed ${seed}`, { cause: error });
      expect(error.message.length).toBeLessThan(1500);
      counts.refused++;
    }
  }
  return counts;
}

const shard = writeSafetensors(
  {
    'conv.weight': tensor(new Float32Array(24), [2, 3, 2, 2]),
    'conv.bias': tensor(new Uint16Array(2), [2]),
    step: tensor(BigInt64Array.of(7n), []),
    flag: tensor(Uint8Array.of(1), [1], 'bool'),
  },
  { format: 'pt', note: 'a "quoted" é' },
);

/** Every weight lies within its file. */
async function assertSound(folder: Folder, weights: Awaited<ReturnType<typeof openSafetensors>>) {
  for (const { path, range } of weights.values()) {
    expect(range.offset + range.length).toBeLessThanOrEqual(await folder.size(path));
  }
}

test('a damaged safetensors file opens soundly or fails with an error that says so', async () => {
  const { opened, refused } = await fuzz(1, shard, async (mutated) => {
    const folder = memoryFolder({ f: mutated });
    await assertSound(folder, await openSafetensors(folder, 'f'));
  });
  expect(opened).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(1000);
});

test('a damaged index of shards opens soundly or fails with an error that says so', async () => {
  const index = JSON.stringify({
    metadata: { total_size: 109 },
    weight_map: { 'conv.weight': 'a.st', 'conv.bias': 'a.st', step: 'a.st', flag: 'a.st' },
  });
  const { opened, refused } = await fuzz(2, encoder.encode(index), async (mutated) => {
    const folder = memoryFolder({ 'model.safetensors.index.json': mutated, 'a.st': shard });
    await assertSound(folder, await openWeights(folder));
  });
  expect(opened).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(1000);
});

test('a damaged model_index.json opens soundly or fails with an error that says so', async () => {
  const json = JSON.stringify({
    _class_name: 'StableDiffusionPipeline',
    unet: ['diffusers', 'UNet2DConditionModel'],
    safety_checker: [null, null],
    requires_safety_checker: false,
  });
  const { opened, refused } = await fuzz(3, encoder.encode(json), async (mutated) => {
    const { components } = await openDiffusersFolder(memoryFolder({ 'model_index.json': mutated }));
    for (const { library, className } of Object.values(components)) {
      expect([typeof library, typeof className]).toEqual(['string', 'string']);
    }
  });
  expect(opened).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(1000);
});
