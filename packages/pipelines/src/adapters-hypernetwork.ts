// A hypernetwork as a part of a U-Net's graph: A1111's modules/hypernetworks/hypernetwork.py, without what is for training.
import {
  AdapterMismatchError,
  type Hypernetwork,
  type HypernetworkActivation,
  type HypernetworkLayer,
  type HypernetworkNonlinearity,
  type HypernetworkPair,
  type LoraReport,
  layerNormEpsilon,
  readHypernetwork,
} from '@emulsion/adapters';
import type { Folder, Weights } from '@emulsion/checkpoints';
import type { ContextChange, NetworkBuilder, WriteNetwork } from '@emulsion/nn';
import { float, type Value } from '@emulsion/onnx';
import type { Tensor } from '@emulsion/tensor';
import type { AdaptableNetworks, LoadedAdapter } from './adapters.ts';
import { UnsupportedModelError } from './errors.ts';

/** Reads a hypernetwork's file for a pipeline. @throws `AdapterMismatchError` if no attention layer has a width of it */
export async function loadHypernetwork(
  folder: Folder,
  path: string,
  networks: AdaptableNetworks,
  name: string,
): Promise<LoadedAdapter> {
  const unet = networks.get('unet');
  if (!unet || unet.weights.size === 0) {
    throw new UnsupportedModelError(
      `${path}: hypernetworks change U-Nets that are written from their weights, and this model has none.`,
    );
  }
  const hypernetwork = await readHypernetwork(folder, path);
  const report = reportOf(hypernetwork, attentionLayers(unet.weights));
  if (report.targets.length === 0) {
    const widths = [...hypernetwork.widths.keys()].join(', ');
    const problem = `its networks are for contexts of ${widths} channels, which no attention layer of this model has`;
    throw new AdapterMismatchError(`${folder.name}/${path}`, problem, report.baseModel);
  }
  return {
    name,
    kind: 'hypernetwork',
    report,
    notes: [...hypernetwork.notes, ...(report.warning === undefined ? [] : [report.warning])],
    embeddings: [],
    networks: new Map([['unet', { modules: new Map(), contexts: contextsOf(hypernetwork) }]]),
  };
}

/** The attention layers of a U-Net by their paths, and the channels of what they read. */
function attentionLayers(weights: Weights): ReadonlyMap<string, number> {
  const layers = new Map<string, number>();
  for (const { name, dims } of weights.values()) {
    const path = /^(.*\.transformer_blocks\.\d+\.attn[12])\.to_k\.weight$/.exec(name)?.[1];
    if (path !== undefined) layers.set(path, dims[1]!);
  }
  return layers;
}

function reportOf({ widths, checkpointName }: Hypernetwork, layers: ReadonlyMap<string, number>): LoraReport {
  const known = new Set(layers.values());
  const sides = (isKnown: boolean) =>
    [...widths.keys()]
      .filter((width) => known.has(width) === isKnown)
      .flatMap((width) => [`${width}.key`, `${width}.value`]);
  const [matched, unmatched] = [sides(true), sides(false)];
  return {
    ...{ matched, unmatched, unused: [], algorithms: [], dora: false, ranks: [] },
    targets: [...layers]
      .filter(([, width]) => widths.has(width))
      .map(([module]) => ({ component: 'unet', module })),
    baseModel: checkpointName,
    warning:
      unmatched.length > 0
        ? `Its networks ${unmatched.join(', ')} are for widths that no attention layer of this model has.`
        : undefined,
  };
}

/** What a hypernetwork adds to the contexts of each width. */
export function contextsOf({ widths }: Pick<Hypernetwork, 'widths'>): ContextChange {
  const write = ({ key, value }: HypernetworkPair) => ({ key: networkOf(key), value: networkOf(value) });
  return { widths: new Map([...widths].map(([width, pair]) => [width, write(pair)])) };
}

const networkOf =
  (layers: readonly HypernetworkLayer[]): WriteNetwork =>
  (n, context, name) => {
    const channels = context.type!.shape!.at(-1) as number; // contexts are written with their channels
    const tokens = n.op('Reshape', [context, n.ints(-1, channels)]);
    const added = layers.reduce((x, layer, i) => layerOf(n, x, layer, `${name}.${i}`), tokens);
    return n.op('Reshape', [added, n.op('Shape', [context])]);
  };

/** A layer on `[tokens, channels]`. */
function layerOf(n: NetworkBuilder, x: Value, layer: HypernetworkLayer, name: string): Value {
  const stored = (weight: 'weight' | 'bias', { dims, data }: Tensor) =>
    n.initializer(
      `${name}.${weight}`,
      'float32',
      dims,
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
  switch (layer.kind) {
    case 'linear':
      return n.op('Gemm', [x, stored('weight', layer.weight), stored('bias', layer.bias)], { transB: 1 });
    case 'layerNorm':
      return n.op('LayerNormalization', [x, stored('weight', layer.weight), stored('bias', layer.bias)], {
        axis: -1,
        epsilon: float(layerNormEpsilon),
      });
    case 'activation':
      return activationOf(n, x, layer);
  }
}

type Activation = (n: NetworkBuilder, x: Value, layer: HypernetworkNonlinearity) => Value;

const op =
  (opType: string, attributes: Readonly<Record<string, number>> = {}): Activation =>
  (n, x) =>
    n.op(
      opType,
      [x],
      Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, float(value)])),
    );

const clip =
  (least: number, most: number): Activation =>
  (n, x) =>
    n.op('Min', [n.op('Max', [x, n.scalar(least)]), n.scalar(most)]);

/** clip(x + 3, 0, 6) / 6; graphics cards have no kernel for HardSigmoid. */
const hardSigmoid: Activation = (n, x, layer) =>
  n.op('Mul', [clip(0, 6)(n, n.op('Add', [x, n.scalar(3)]), layer), n.scalar(1 / 6)]);

/** x for x ≥ 0, a multiple of it below. */
const leaky = (n: NetworkBuilder, x: Value, slope: Value) =>
  n.op('Add', [n.op('Max', [x, n.scalar(0)]), n.op('Mul', [n.op('Min', [x, n.scalar(0)]), slope])]);

const leakyBy =
  (slope: number): Activation =>
  (n, x) =>
    leaky(n, x, n.scalar(slope));

/** The slope of a PReLU that has learned none, and the mean of those that RReLU draws from. */
const preluSlope = 0.25;
const rreluSlope = (1 / 8 + 1 / 3) / 2;

/** PyTorch's functions with the parameters that they have unless others are given. */
const activations: { readonly [A in HypernetworkActivation]: Activation } = {
  celu: op('Elu'),
  elu: op('Elu'),
  gelu: op('Gelu'),
  hardshrink: op('Shrink', { lambd: 0.5, bias: 0 }),
  hardsigmoid: hardSigmoid,
  hardswish: (n, x, layer) => n.op('Mul', [x, hardSigmoid(n, x, layer)]),
  hardtanh: clip(-1, 1),
  leakyrelu: leakyBy(0.01),
  logsigmoid: (n, x) => n.op('Neg', [n.op('Softplus', [n.op('Neg', [x])])]),
  mish: (n, x) => n.op('Mul', [x, n.op('Tanh', [n.op('Softplus', [x])])]),
  prelu: (n, x, { weight }) => leaky(n, x, n.scalar(weight?.data[0] ?? preluSlope)),
  relu: op('Relu'),
  relu6: clip(0, 6),
  rrelu: leakyBy(rreluSlope),
  selu: op('Selu'),
  sigmoid: op('Sigmoid'),
  silu: (n, x) => n.op('Mul', [x, n.op('Sigmoid', [x])]),
  softplus: op('Softplus'),
  softshrink: op('Shrink', { lambd: 0.5, bias: 0.5 }),
  softsign: op('Softsign'),
  tanh: op('Tanh'),
  tanhshrink: (n, x) => n.op('Sub', [x, n.op('Tanh', [x])]),
};

const activationOf: Activation = (n, x, layer) => activations[layer.name](n, x, layer);
