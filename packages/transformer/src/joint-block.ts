// The block of two streams (Esser et al. 2024, figure 2b): picture and text attend to each other, each with its own weights.
import { linear, type NetworkBuilder, type WeightScope } from '@emulsion/nn';
import type { Value } from '@emulsion/onnx';
import { feedForward } from './feed-forward.ts';
import {
  type AttentionShape,
  contextProjections,
  jointAttention,
  sampleProjections,
  splitTokens,
} from './joint-attention.ts';
import type { Modulation } from './modulation.ts';

/** The two streams, `[batch, sequence, features]` each. */
export interface Streams {
  readonly sample: Value;
  readonly context: Value;
}

export interface JointBlockShape extends AttentionShape {
  /** Which of the two comes first where they attend; positions count in that order. */
  readonly first: 'sample' | 'context';
  /** Whether the text is only attended to and leaves the network here. */
  readonly contextEnds: boolean;
  /** Whether the picture also attends to itself alone (Stable Diffusion 3.5 medium). */
  readonly dualAttention: boolean;
}

/** One block of two streams: diffusers' JointTransformerBlock and FluxTransformerBlock. Where the text ends, it stays as it is. */
export function jointBlock(
  n: NetworkBuilder,
  { sample, context }: Streams,
  w: WeightScope,
  modulation: Modulation,
  shape: JointBlockShape,
): Streams {
  const { features, first, contextEnds, dualAttention } = shape;
  const [shift, scale, ...sampleRest] = modulation.vectors(w.at('norm1'), dualAttention ? 9 : 6);
  const normalized = modulation.normalize(sample);
  const attendingSample = modulation.modulate(normalized, scale!, shift!);
  const [contextShift, contextScale, ...contextRest] = contextEnds
    ? []
    : modulation.vectors(w.at('norm1_context'), 6);
  const attendingContext = contextEnds
    ? modulation.continuous(context, w.at('norm1_context'))
    : modulation.modulate(modulation.normalize(context), contextScale!, contextShift!);

  const attn = w.at('attn');
  const streams = {
    sample: { tokens: attendingSample, names: sampleProjections },
    context: { tokens: attendingContext, names: contextProjections },
  };
  const order = first === 'sample' ? (['sample', 'context'] as const) : (['context', 'sample'] as const);
  const mixed = jointAttention(
    n,
    order.map((name) => streams[name]),
    attn,
    shape,
  );
  const [head, tail] = splitTokens(n, mixed, streams[first].tokens);
  const square = { inFeatures: features, outFeatures: features };
  const takenBySample = linear(n, first === 'sample' ? head : tail, attn.at('to_out.0'), square);
  const [gate, feedShift, feedScale, feedGate, dualShift, dualScale, dualGate] = sampleRest;
  let x = modulation.addGated(sample, gate!, takenBySample);
  if (dualAttention) {
    const tokens = modulation.modulate(normalized, dualScale!, dualShift!);
    const alone = jointAttention(n, [{ tokens, names: sampleProjections }], w.at('attn2'), shape);
    x = modulation.addGated(x, dualGate!, linear(n, alone, w.at('attn2.to_out.0'), square));
  }
  const feed = (h: Value, layer: string, scaleBy: Value, shiftBy: Value) =>
    feedForward(n, modulation.modulate(modulation.normalize(h), scaleBy, shiftBy), w.at(layer), features);
  x = modulation.addGated(x, feedGate!, feed(x, 'ff', feedScale!, feedShift!));
  if (contextEnds) return { sample: x, context };

  const [contextGate, contextFeedShift, contextFeedScale, contextFeedGate] = contextRest;
  const takenByContext = linear(n, first === 'sample' ? tail : head, attn.at('to_add_out'), square);
  const y = modulation.addGated(context, contextGate!, takenByContext);
  const fed = feed(y, 'ff_context', contextFeedScale!, contextFeedShift!);
  return { sample: x, context: modulation.addGated(y, contextFeedGate!, fed) };
}
