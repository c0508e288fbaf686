// From CLIP's embedding of a picture to tokens beside the text (Ye et al. 2023): IP-Adapter's image projections.
import type { Weights } from '@emulsion/checkpoints';
import {
  activate,
  attention,
  layerNorm,
  linear,
  NetworkBuilder,
  WeightError,
  type WeightScope,
} from '@emulsion/nn';
import type { Model, Value } from '@emulsion/onnx';
import type { Dialect } from '@emulsion/runtime';

/**
 * What an image projection is, as the shapes of its weights say: a linear layer on the picture as a whole, two layers on
 * each of its patches (full-face), or queries that attend to the patches (plus; Alayrac et al. 2022, figure 5).
 */
export type ImageProjection =
  | { readonly kind: 'linear'; readonly embedDim: number; readonly outDim: number; readonly tokens: number }
  | { readonly kind: 'full'; readonly embedDim: number; readonly outDim: number }
  | {
      readonly kind: 'resampler';
      readonly embedDim: number;
      readonly outDim: number;
      readonly tokens: number;
      readonly hiddenDim: number;
      readonly heads: number;
      readonly layers: number;
      readonly feedForwardDim: number;
    };

/** Channels of an attention head in all published resamplers. */
const headDim = 64;

/**
 * @throws {WeightError} if the weights are those of no known projection
 */
export function imageProjectionOf(name: string, weights: Weights): ImageProjection {
  const dims = (key: string) => {
    const found = weights.get(key)?.dims;
    if (found) return found;
    throw new WeightError(
      key,
      `${name}: the file has no weight "image_proj.${key}". It is not whole, or of a kind that is not supported: ip-adapter, ip-adapter-plus and ip-adapter-full-face are.`,
    );
  };
  if (weights.has('proj.weight')) {
    const [outDim = 0] = dims('norm.weight');
    const [rows = 0, embedDim = 0] = dims('proj.weight');
    return { kind: 'linear', embedDim, outDim, tokens: rows / outDim };
  }
  if (weights.has('proj.3.weight')) {
    const [, embedDim = 0] = dims('proj.0.weight');
    const [outDim = 0] = dims('proj.3.weight');
    return { kind: 'full', embedDim, outDim };
  }
  const [, tokens = 0, hiddenDim = 0] = dims('latents');
  const [, embedDim = 0] = dims('proj_in.weight');
  const [outDim = 0] = dims('proj_out.weight');
  const [inner = 0] = dims('layers.0.0.to_q.weight');
  const [feedForwardDim = 0] = dims('layers.0.1.1.weight');
  let layers = 1;
  while (weights.has(`layers.${layers}.0.to_q.weight`)) layers++;
  const sizes = { embedDim, outDim, tokens, hiddenDim, feedForwardDim };
  return { kind: 'resampler', ...sizes, heads: inner / headDim, layers };
}

/**
 * Writes the graph. Input, float32: `embeds`, `[pictures, embedDim]` for a linear projection, else `[pictures, patches,
 * embedDim]`. Output: `tokens` `[pictures, tokens, outDim]`.
 * @throws {WeightError} if a weight is missing or has another shape
 */
export function imageProjectionModel(
  name: string,
  projection: ImageProjection,
  w: WeightScope,
  dialect: Dialect,
): Model {
  const n = new NetworkBuilder(name, dialect);
  const { embedDim, outDim } = projection;
  const places = projection.kind === 'linear' ? [] : ['patches'];
  const embeds = n.input('embeds', 'float32', ['pictures', ...places, embedDim]);
  switch (projection.kind) {
    case 'linear': {
      const rows = { inFeatures: embedDim, outFeatures: projection.tokens * outDim };
      const tokens = n.op('Reshape', [
        linear(n, embeds, w.at('proj'), rows),
        n.ints(-1, projection.tokens, outDim),
      ]);
      n.output('tokens', layerNorm(n, tokens, w.at('norm'), outDim));
      break;
    }
    case 'full': {
      const h = linear(n, embeds, w.at('proj.0'), { inFeatures: embedDim, outFeatures: embedDim });
      const shape = { inFeatures: embedDim, outFeatures: outDim };
      const tokens = linear(n, activate(n, h, 'gelu'), w.at('proj.2'), shape);
      n.output('tokens', layerNorm(n, tokens, w.at('proj.3'), outDim));
      break;
    }
    case 'resampler':
      n.output('tokens', resample(n, embeds, w, projection));
  }
  return n.build();
}

type Resampler = Extract<ImageProjection, { kind: 'resampler' }>;

/** Learnt queries that attend to the patches and to each other, in layers. */
function resample(n: NetworkBuilder, embeds: Value, w: WeightScope, resampler: Resampler): Value {
  const { embedDim, outDim, hiddenDim, tokens, layers, feedForwardDim } = resampler;
  const patches = linear(n, embeds, w.at('proj_in'), { inFeatures: embedDim, outFeatures: hiddenDim });
  const pictures = n.op('Shape', [embeds], { start: 0, end: 1 });
  let x = n.op('Expand', [
    w.value(n, 'latents', [1, tokens, hiddenDim]),
    n.op('Concat', [pictures, n.ints(tokens, hiddenDim)], { axis: 0 }),
  ]);
  for (let i = 0; i < layers; i++) {
    x = n.op('Add', [perceive(n, patches, x, w.at(`layers.${i}.0`), resampler), x]);
    const ff = w.at(`layers.${i}.1`);
    const normalized = layerNorm(n, x, ff.at('0'), hiddenDim);
    const wide = { inFeatures: hiddenDim, outFeatures: feedForwardDim, bias: false };
    const narrow = { inFeatures: feedForwardDim, outFeatures: hiddenDim, bias: false };
    const h = activate(n, linear(n, normalized, ff.at('1'), wide), 'gelu');
    x = n.op('Add', [linear(n, h, ff.at('3'), narrow), x]);
  }
  const out = linear(n, x, w.at('proj_out'), { inFeatures: hiddenDim, outFeatures: outDim });
  return layerNorm(n, out, w.at('norm_out'), outDim);
}

/** Attention of the queries to the patches, with the queries behind them. */
function perceive(
  n: NetworkBuilder,
  patches: Value,
  queries: Value,
  w: WeightScope,
  { hiddenDim, heads }: Resampler,
): Value {
  const channels = heads * headDim;
  const asked = layerNorm(n, queries, w.at('norm2'), hiddenDim);
  const context = n.op('Concat', [layerNorm(n, patches, w.at('norm1'), hiddenDim), asked], { axis: 1 });
  const mixed = attention(n, {
    query: linear(n, asked, w.at('to_q'), { inFeatures: hiddenDim, outFeatures: channels, bias: false }),
    key: half(n, context, w, hiddenDim, channels, 0),
    value: half(n, context, w, hiddenDim, channels, 1),
    channels,
    heads,
  });
  return linear(n, mixed, w.at('to_out'), { inFeatures: channels, outFeatures: hiddenDim, bias: false });
}

/** Keys and values are rows of one weight. */
const half = (
  n: NetworkBuilder,
  context: Value,
  w: WeightScope,
  inFeatures: number,
  channels: number,
  which: 0 | 1,
): Value =>
  linear(n, context, w.at('to_kv'), {
    inFeatures,
    outFeatures: 2 * channels,
    bias: false,
    rows: [which * channels, (which + 1) * channels],
  });
