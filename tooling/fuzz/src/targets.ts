// The readers of files that strangers write, each with a sound file to start from.
import { readFile } from 'node:fs/promises';
import { loadLora, readHypernetwork, readTextualInversion, writeHypernetwork } from '@emulsion/adapters';
import {
  type Folder,
  memoryFolder,
  openDiffusersFolder,
  openOnnx,
  openPytorch,
  openSafetensors,
  openSingleFile,
  openWeights,
  readTensor,
  type Weights,
  writeSafetensors,
} from '@emulsion/checkpoints';
import { float, GraphBuilder, writeModel } from '@emulsion/onnx';
import { tensor, zeros } from '@emulsion/tensor';
import type { Hot } from './mutate.ts';

/** A reader, and what it is to read. */
export interface Target {
  readonly name: string;
  readonly file: Uint8Array;
  readonly kind: 'json' | 'binary';
  readonly hot: readonly Hot[];
  /** Reads a changed file; throws if what it gives is not sound. */
  readonly open: (changed: Uint8Array) => Promise<void>;
}

const encoder = new TextEncoder();
const json = (value: unknown) => encoder.encode(JSON.stringify(value));

/** Bytes of a weight that are read; the others are in the file, which is all that matters of them. */
const readBytes = 4096;

/** Every weight lies within its file, and can be read. */
async function assertSound(folder: Folder, weights: Weights): Promise<void> {
  for (const weight of weights.values()) {
    const { file, offset, length } = weight.range;
    const size = file.kind === 'bytes' ? file.bytes.length : await folder.size(weight.path);
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw new Error(`"${weight.name}" is said to be at ${offset} to ${offset + length} of ${size} bytes`);
    }
    if (length <= readBytes) await readTensor(folder, weight);
  }
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

const whole = (file: Uint8Array): Hot[] => [{ start: 0, end: file.length }];
const head = (file: Uint8Array): Hot[] => [{ start: 0, end: Math.min(600, file.length) }];

const safetensors: Target = {
  name: 'safetensors',
  file: shard,
  kind: 'json',
  hot: head(shard),
  async open(changed) {
    const folder = memoryFolder({ f: changed });
    await assertSound(folder, await openSafetensors(folder, 'f'));
  },
};

function shardIndex(): Target {
  const file = json({
    metadata: { total_size: 109 },
    weight_map: { 'conv.weight': 'a.st', 'conv.bias': 'a.st', step: 'a.st', flag: 'a.st' },
  });
  return {
    name: 'index of shards',
    file,
    kind: 'json',
    hot: whole(file),
    async open(changed) {
      const folder = memoryFolder({ 'model.safetensors.index.json': changed, 'a.st': shard });
      await assertSound(folder, await openWeights(folder));
    },
  };
}

function modelIndex(): Target {
  const file = json({
    _class_name: 'ORTStableDiffusionPipeline',
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae_decoder: ['optimum.onnxruntime', 'ORTModelVaeDecoder'],
    safety_checker: [null, null],
    requires_safety_checker: false,
  });
  return {
    name: 'model_index.json',
    file,
    kind: 'json',
    hot: whole(file),
    async open(changed) {
      const { components } = await openDiffusersFolder(memoryFolder({ 'model_index.json': changed }));
      for (const { library, className } of Object.values(components)) {
        if (typeof library !== 'string' || typeof className !== 'string')
          throw new Error('a class is no text');
      }
    },
  };
}

async function pytorch(name: string, hotOf: (file: Uint8Array) => readonly Hot[]): Promise<Target> {
  const address = new URL(`../../../fixtures/pytorch/${name}.pt`, import.meta.url);
  const file = new Uint8Array(await readFile(address));
  return {
    name: `pickle, ${name}.pt`,
    file,
    kind: 'binary',
    hot: hotOf(file),
    async open(changed) {
      const folder = memoryFolder({ f: changed });
      await assertSound(folder, await openPytorch(folder, 'f'));
    },
  };
}

/** An archive has a pickle at its start and its directory at its end. */
const archive = (file: Uint8Array): Hot[] => [
  { start: 0, end: Math.min(1200, file.length) },
  { start: Math.max(0, file.length - 1200), end: file.length },
];

/** A file with the names of Stable Diffusion 2, whose text encoder has matrices to split. */
function singleFile(): Target {
  const names = {
    'model.diffusion_model.input_blocks.0.0.weight': [2, 4],
    'model.diffusion_model.input_blocks.1.0.in_layers.0.weight': [2],
    'model.diffusion_model.input_blocks.1.0.out_layers.3.weight': [2, 2],
    'model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight': [2, 4],
    'first_stage_model.encoder.down.0.block.0.conv1.weight': [2, 2],
    'conditioner.embedders.0.model.token_embedding.weight': [2, 2],
    'conditioner.embedders.0.model.transformer.resblocks.0.ln_1.weight': [2],
    'conditioner.embedders.0.model.transformer.resblocks.0.attn.in_proj_weight': [6, 2],
    'conditioner.embedders.0.model.text_projection': [2, 3],
  };
  const file = writeSafetensors(
    Object.fromEntries(
      Object.entries(names).map(([name, dims]) => {
        const length = dims.reduce((product, dim) => product * dim, 1);
        return [name, tensor(new Float32Array(length), dims)];
      }),
    ),
  );
  const tokenizer = memoryFolder({ 'vocab.json': '{}', 'merges.txt': '' });
  return {
    name: 'single file',
    file,
    kind: 'json',
    hot: [{ start: 0, end: 1200 }],
    async open(changed) {
      const folder = memoryFolder({ 'm.safetensors': changed });
      const model = await openSingleFile(folder, 'm.safetensors', { tokenizer });
      const { components } = await openDiffusersFolder(model);
      for (const name of Object.keys(components)) {
        const component = model.subfolder(name);
        if (component.weights) await assertSound(component, await component.weights());
      }
    },
  };
}

function onnx(): Target {
  const g = new GraphBuilder('fuzzed');
  const x = g.input('x', 'float32', ['batch', 4]);
  const place = { file: { kind: 'path', path: 'data' }, offset: 8, length: 64 } as const;
  const w = g.initializer('w', 'float32', [4, 4], place);
  const h = g.op('Gemm', [x, w, undefined], { transB: 1, alpha: float(0.5) }, { name: 'proj' });
  const ids = g.input('ids', 'int64', ['batch']);
  g.output('y', g.op('Gather', [g.op('Mul', [h, g.scalar(2)]), ids], { axis: 0 }));
  g.output('text', g.op('Resize', [h, undefined, g.constant(tensor([1, 2], [2]))], { mode: 'nearest' }));
  const file = writeModel(g.build(), (ref) => (ref.kind === 'path' ? ref.path : ref.name));
  return {
    name: 'ONNX',
    file,
    kind: 'binary',
    hot: whole(file),
    async open(changed) {
      const folder = memoryFolder({ 'model.onnx': changed, data: new Uint8Array(72) });
      const { graph } = await openOnnx(folder, 'model.onnx');
      for (const { value, data } of graph.initializers) {
        if (
          'file' in data &&
          data.file.kind === 'bytes' &&
          data.offset + data.length > data.file.bytes.length
        ) {
          throw new Error(`"${value.name}" lies outside of its file`);
        }
      }
    },
  };
}

/** Files of embeddings, hypernetworks and LoRAs, which have more to be wrong than the tensors in them. */
async function adapters(): Promise<Target[]> {
  const fixture = async (path: string) =>
    new Uint8Array(await readFile(new URL(`../../../fixtures/${path}`, import.meta.url)));
  const pickled = await fixture('golden/open/adapters/files/hn_relu_ln.pt');
  const hypernetwork = await readHypernetwork(memoryFolder({ f: pickled }), 'f');
  const safe = writeHypernetwork(hypernetwork);
  const embedding = await fixture('golden/open/adapters/files/ti_my-emb3_a1111.pt');
  const card = await fixture('embeddings/text-card.png');
  const hidden = await fixture('embeddings/hidden-card.png');
  const embeddingTarget = (name: string, file: Uint8Array, hot: readonly Hot[]): Target => ({
    ...{ name, file, kind: 'binary', hot },
    async open(changed) {
      const { encoders } = await readTextualInversion(memoryFolder({ f: changed }), 'f');
      for (const { vectors } of encoders) {
        if (vectors.dims.length !== 2) throw new Error(`vectors are [${vectors.dims.join(', ')}]`);
      }
    },
  });
  const hypernetworkTarget = (name: string, path: string, file: Uint8Array, hot: readonly Hot[]): Target => ({
    ...{ name, file, kind: path === 'f' ? 'binary' : 'json', hot },
    async open(changed) {
      const { widths } = await readHypernetwork(memoryFolder({ [path]: changed }), path);
      for (const [width, { key }] of widths) {
        const [first] = key;
        if (first?.kind !== 'linear' || first.weight.dims[1] !== width)
          throw new Error(`the network for width ${width} does not take it`);
      }
    },
  });
  return [
    embeddingTarget('embedding', embedding, archive(embedding)),
    embeddingTarget('embedding in the text of a picture', card, whole(card)),
    embeddingTarget('embedding hidden in a picture', hidden, whole(hidden)),
    hypernetworkTarget('hypernetwork', 'f', pickled, [{ start: 0, end: 3000 }]),
    hypernetworkTarget('hypernetwork as safetensors', 'f.safetensors', safe, head(safe)),
    lora(),
  ];
}

/** A file with a module for each of several forms, all of weights `[4, 4]`. */
function lora(): Target {
  const forms = {
    a: { 'lora_up.weight': [4, 2], 'lora_down.weight': [2, 4], alpha: [], dora_scale: [4, 1] },
    b: { hada_w1_a: [4, 1], hada_w1_b: [1, 4], hada_w2_a: [4, 1], hada_w2_b: [1, 4] },
    c: { lokr_w1: [2, 2], lokr_w2_a: [2, 1], lokr_w2_b: [1, 2] },
    d: { oft_blocks: [2, 2, 2], rescale: [4, 1] },
    e: { 'a1.weight': [4, 1], 'a2.weight': [1, 4], 'b1.weight': [4, 1], 'b2.weight': [1, 4] },
    f: { weight: [4], on_input: [] },
    g: { diff: [4, 4], diff_b: [4] },
  };
  const tensors = Object.entries(forms).flatMap(([module, parts]) =>
    Object.entries(parts).map(([part, dims]) => [`lora_unet_${module}.${part}`, zeros(dims, 'float32')]),
  );
  const file = writeSafetensors(Object.fromEntries(tensors));
  const model = { unet: new Map(Object.keys(forms).map((module) => [module, [4, 4]])) };
  return {
    ...{ name: 'LoRA', file, kind: 'json', hot: head(file) },
    async open(changed) {
      const { changes } = await loadLora(memoryFolder({ f: changed }), 'f', { model });
      for (const { module, weight, bias } of changes) {
        if (weight?.form === 'full' && weight.delta(zeros([4, 4], 'float32')).data.length !== 16)
          throw new Error(`the change of "${module}" is not of its size`);
        if (bias && bias.data.length !== 4) throw new Error(`the bias of "${module}" is not of its size`);
      }
    },
  };
}

/** All readers. */
export async function openTargets(): Promise<readonly Target[]> {
  return [
    safetensors,
    shardIndex(),
    modelIndex(),
    singleFile(),
    onnx(),
    await pytorch('zip', archive),
    await pytorch('protocol-4', archive),
    await pytorch('legacy', (file) => [{ start: 0, end: Math.min(1400, file.length) }]),
    await pytorch('hostile-zip', archive),
    await pytorch('hostile-pickle', whole),
    ...(await adapters()),
  ];
}
