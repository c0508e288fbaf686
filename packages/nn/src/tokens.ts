// Between pictures [batch, channels, height, width] and sequences of their pixels [batch, height·width, channels].
import type { Value } from '@emulsion/onnx';
import type { NetworkBuilder } from './network-builder.ts';

/** The pixels of a picture as a sequence. */
export function pixelsToTokens(n: NetworkBuilder, x: Value, channels: number): Value {
  return n.op('Transpose', [n.op('Reshape', [x, n.ints(0, channels, -1)])], { perm: [0, 2, 1] });
}

/** A sequence of pixels as a picture with the sizes of `like`. */
export function tokensToPixels(n: NetworkBuilder, tokens: Value, like: Value): Value {
  return n.op('Reshape', [n.op('Transpose', [tokens], { perm: [0, 2, 1] }), n.op('Shape', [like])]);
}
