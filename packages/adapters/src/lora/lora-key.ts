// The names of tensors in files of the LoRA family: which component, which module of it, which part of the change.
import type { Component } from '../module-change.ts';
import { flatten } from './places.ts';

const denoisers: readonly Component[] = ['unet', 'transformer'];
/** The refiner of Stable Diffusion XL has the second encoder alone. */
const clip: readonly Component[] = ['textEncoder', 'textEncoder2'];
/** T5 is the third encoder of Stable Diffusion 3 and the second of Flux. */
const t5: readonly Component[] = ['textEncoder3', 'textEncoder2'];

/** How names begin, and the component that the rest is of: the first of these that the model has. */
const prefixes: readonly (readonly [prefix: string, components: readonly Component[]])[] = [
  ['lora_unet_', denoisers],
  ['lora_transformer_', denoisers],
  ['lora_te1_', clip],
  ['lora_te2_', ['textEncoder2']],
  ['lora_te3_', t5],
  ['lora_te_', clip],
  ['lycoris_', denoisers],
  ['lycoris_', clip],
  ['model.diffusion_model.', denoisers],
  ['diffusion_model.', denoisers],
  ['text_encoders.clip_l.transformer.', ['textEncoder']],
  ['text_encoders.clip_g.transformer.', ['textEncoder2']],
  ['text_encoders.t5xxl.transformer.', t5],
  ['text_encoder_3.', ['textEncoder3']],
  ['text_encoder_2.', ['textEncoder2']],
  ['text_encoder.', clip],
  ['clip_l.', ['textEncoder']],
  ['clip_g.', ['textEncoder2']],
  ['t5.', t5],
  ['unet.', denoisers],
  ['transformer.', denoisers],
  ['lora_', denoisers],
  ['lora_', clip],
  ['', denoisers],
  ['', clip],
];

/** What PEFT and others wrap around a whole model. */
const wrappers = /^(?:base_model\.model\.|lora\.|lycoris\.)+/;

/** How names end, and the part of a change that the tensor is; the first that fits counts. */
const endings = [
  ['up_bias', /\.lora_B(?:\.[^.]+)?\.bias$/],
  ['down', /(?:\.lora_down\.weight|[._]lora\.down\.weight|\.lora_linear_layer\.down\.weight)$/],
  ['up', /(?:\.lora_up\.weight|[._]lora\.up\.weight|\.lora_linear_layer\.up\.weight)$/],
  ['down', /\.lora_A(?:\.[^.]+)?(?:\.weight)?$/],
  ['up', /\.lora_B(?:\.[^.]+)?(?:\.weight)?$/],
  ['magnitude', /\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$/],
  ['mid', /\.lora_mid\.weight$/],
  ['dora_scale', /\.dora_scale$/],
  ['alpha', /(?:[._]lora)?\.alpha$/],
  ['scale', /\.scale$/],
  ['hada_w1_a', /\.hada_w1_a(?:\.[^.]+)?$/],
  ['hada_w1_b', /\.hada_w1_b(?:\.[^.]+)?$/],
  ['hada_w2_a', /\.hada_w2_a(?:\.[^.]+)?$/],
  ['hada_w2_b', /\.hada_w2_b(?:\.[^.]+)?$/],
  ['hada_t1', /\.hada_t1(?:\.[^.]+)?$/],
  ['hada_t2', /\.hada_t2(?:\.[^.]+)?$/],
  ['lokr_w1', /\.lokr_w1(?:\.[^.]+)?$/],
  ['lokr_w1_a', /\.lokr_w1_a(?:\.[^.]+)?$/],
  ['lokr_w1_b', /\.lokr_w1_b(?:\.[^.]+)?$/],
  ['lokr_w2', /\.lokr_w2(?:\.[^.]+)?$/],
  ['lokr_w2_a', /\.lokr_w2_a(?:\.[^.]+)?$/],
  ['lokr_w2_b', /\.lokr_w2_b(?:\.[^.]+)?$/],
  ['lokr_t2', /\.lokr_t2(?:\.[^.]+)?$/],
  ['glora_a1', /\.a1\.weight$/],
  ['glora_a2', /\.a2\.weight$/],
  ['glora_b1', /\.b1\.weight$/],
  ['glora_b2', /\.b2\.weight$/],
  ['glora_bm', /\.bm\.weight$/],
  ['oft_blocks', /\.oft_blocks$/],
  ['oft_diag', /\.oft_diag$/],
  ['rescale', /\.rescale$/],
  ['on_input', /\.on_input$/],
  ['ia3_l', /\.ia3_l(?:\.[^.]+)?$/],
  ['diff', /\.diff$/],
  ['diff_b', /\.diff_b$/],
  ['w_norm', /\.w_norm$/],
  ['b_norm', /\.b_norm$/],
  ['down', /\.down\.weight$/],
  ['up', /\.up\.weight$/],
  ['ia3_weight', /\.weight$/],
] as const;

/** A part of the change of one module. */
export type Part = (typeof endings)[number][0];

/** What the name of a tensor says. */
export interface LoraKey {
  /** The module as the file names it, with its prefix: what the tensors of one change have in common. */
  readonly module: string;
  readonly part: Part;
  /** What the module may be, the likelier first: a module of the first of these components that the model has. */
  readonly candidates: readonly { readonly components: readonly Component[]; readonly name: string }[];
}

/** @returns `undefined` if the name has none of the endings that are known */
export function parseLoraKey(key: string): LoraKey | undefined {
  for (const [part, ending] of endings) {
    const match = ending.exec(key);
    if (!match || match.index === 0) continue;
    const module = key.slice(0, match.index);
    const bare = module.replace(wrappers, '').replace(/\.processor\b/, '');
    const candidates = prefixes
      .filter(([prefix]) => bare.startsWith(prefix))
      .map(([prefix, components]) => ({ components, name: flatten(bare.slice(prefix.length)) }));
    return { module, part, candidates };
  }
  return undefined;
}
