import { type Folder, memoryFolder, openOnnx } from '@emulsion/checkpoints';
import { type Graph, type Initializer, type Node, type Value, writeModel } from '@emulsion/onnx';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFixture } from '@emulsion/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadTextEncoder } from './load-text-encoder.ts';

let device: Device;
let exported: Folder;
beforeAll(async () => {
  device = await createTestDevice();
  exported = await openFixture('golden/open/onnx/sd1-onnx/text_encoder');
});
afterAll(() => device.dispose());

const inputIds = tensor(
  Int32Array.from({ length: 77 }, (_, i) => (i === 0 ? 638 : i > 5 ? 639 : i)),
  [1, 77],
);
const worst = (a: Tensor, b: Tensor) =>
  a.data.reduce((max, value, i) => Math.max(max, Math.abs(value - b.data[i]!)), 0);

async function encode(folder: Folder, clipSkip?: number) {
  const encoder = await loadTextEncoder(folder, { device });
  try {
    return await encoder.encode({ inputIds, ...(clipSkip !== undefined && { clipSkip }) });
  } finally {
    await encoder.dispose();
  }
}

/** The export with a changed graph. */
async function changed(change: (graph: Graph) => Graph): Promise<Folder> {
  const { graph, ...model } = await openOnnx(exported, 'model.onnx');
  return memoryFolder({
    'model.onnx': writeModel({ ...model, graph: change(graph) }, () => ''),
    'config.json': await exported.read('config.json'),
  });
}

const withoutHiddenStates = (graph: Graph): Graph => ({
  ...graph,
  outputs: graph.outputs.filter(({ name }) => !name.startsWith('hidden_states')),
});

test('a ready-made graph gives what the graph written here gives, at every layer', async () => {
  const written = await openFixture('golden/open/models/sd1/text_encoder');
  for (const clipSkip of [0, 1, 2]) {
    const [expected, actual] = [await encode(written, clipSkip), await encode(exported, clipSkip)];
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const key of ['lastHiddenState', 'hiddenState', 'pooled'] as const) {
      expect(actual[key].dims, key).toEqual(expected[key].dims);
      expect(worst(actual[key], expected[key]), key).toBeLessThan(1e-4);
    }
  }
});

test('one without hidden states skips no layers, and says so', async () => {
  const folder = await changed(withoutHiddenStates);
  expect(worst((await encode(folder)).hiddenState, (await encode(exported)).hiddenState)).toBeLessThan(1e-5);
  await expect(encode(folder, 1)).rejects.toThrow(
    "text encoder: clipSkip is 1, and this model's graph gives its last layer alone. Leave clipSkip out, or export the model with its hidden states.",
  );
});

test('the last normalization is found where an old export spells it out', async () => {
  const folder = await changed((graph) => {
    const last = graph.outputs.find(({ name }) => name === 'last_hidden_state')!;
    const norm = graph.nodes.find(({ outputs }) => outputs.includes(last))!;
    const [x, scale, bias] = norm.inputs;
    const value = (name: string): Value => ({ name: `spelled/${name}` });
    const node = (opType: string, inputs: readonly Value[], output: Value, attributes = {}): Node => ({
      opType,
      domain: '',
      name: output.name,
      inputs,
      outputs: [output],
      attributes,
    });
    const [mean, centred, squared, variance, safe, deviation, normal, scaled, epsilon] =
      'mean centred squared variance safe deviation normal scaled epsilon'.split(' ').map(value) as Value[];
    const axes = { axes: { kind: 'ints', value: [-1] } };
    const nodes = [
      node('ReduceMean', [x!], mean!, axes),
      node('Sub', [x!, mean!], centred!),
      node('Mul', [centred!, centred!], squared!),
      node('ReduceMean', [squared!], variance!, axes),
      node('Add', [variance!, epsilon!], safe!),
      node('Sqrt', [safe!], deviation!),
      node('Div', [centred!, deviation!], normal!),
      node('Mul', [normal!, scale!], scaled!),
      node('Add', [scaled!, bias!], last),
    ];
    const stored: Initializer = {
      value: epsilon!,
      dataType: 'float32',
      dims: [],
      data: new Uint8Array(Float32Array.of(1e-5).buffer),
    };
    return {
      ...graph,
      nodes: graph.nodes.flatMap((other) => (other === norm ? nodes : [other])),
      initializers: [...graph.initializers, stored],
    };
  });
  for (const clipSkip of [0, 1]) {
    const [expected, actual] = [await encode(exported, clipSkip), await encode(folder, clipSkip)];
    expect(worst(actual.lastHiddenState, expected.lastHiddenState)).toBeLessThan(1e-4);
  }
});

test('the graph of something else is refused with what it has', async () => {
  const folder = await changed((graph) => ({
    ...graph,
    outputs: graph.outputs.filter(({ name }) => name === 'pooler_output'),
  }));
  await expect(loadTextEncoder(folder, { device })).rejects.toThrow(
    'text encoder: its graph (input_ids, pooler_output) is not one of a CLIP text encoder with "input_ids" and "last_hidden_state". Export the model with Optimum.',
  );
});
