// The family of LoRA: which tensors each member has, and how they are read.

import { differenceChange } from './difference.ts';
import type { FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';
import { gloraChange } from './glora.ts';
import { ia3Change, peftIa3Change } from './ia3.ts';
import { lohaChange } from './loha.ts';
import { lokrChange } from './lokr.ts';
import type { Part } from './lora-key.ts';
import { loraChange } from './low-rank.ts';
import { oftChange } from './oft.ts';

/** Members of the family, by what LyCORIS and PEFT call them; `dora` is told apart as it goes with several of them. */
export const loraAlgorithms = [
  'lora',
  'loha',
  'lokr',
  'glora',
  'oft',
  'boft',
  'ia3',
  'full',
  'norm',
] as const;
export type LoraAlgorithm = (typeof loraAlgorithms)[number];

interface Algorithm {
  /** A module that has one of these is of this algorithm. */
  readonly signs: readonly Part[];
  /** What else it reads. */
  readonly others: readonly Part[];
  readonly read: (module: FileModule) => FileChange;
}

const oft: Algorithm = {
  signs: ['oft_blocks', 'oft_diag'],
  others: ['rescale', 'alpha'],
  read: oftChange,
};
const scales = ['alpha', 'scale'] as const;

/** The first whose sign is there counts. */
const algorithms: { readonly [A in LoraAlgorithm]: Algorithm } = {
  lora: { signs: ['up', 'down'], others: ['mid', ...scales], read: loraChange },
  loha: {
    signs: ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b'],
    others: ['hada_t1', 'hada_t2', ...scales],
    read: lohaChange,
  },
  lokr: {
    signs: ['lokr_w1', 'lokr_w1_a', 'lokr_w1_b', 'lokr_w2', 'lokr_w2_a', 'lokr_w2_b'],
    others: ['lokr_t2', ...scales],
    read: lokrChange,
  },
  glora: {
    signs: ['glora_a1', 'glora_a2', 'glora_b1', 'glora_b2'],
    others: ['glora_bm', ...scales],
    read: gloraChange,
  },
  oft,
  boft: oft,
  ia3: {
    signs: ['on_input', 'ia3_l'],
    others: ['ia3_weight'],
    read: (module) => (module.has('ia3_l') ? peftIa3Change : ia3Change)(module),
  },
  full: { signs: ['diff'], others: ['alpha'], read: (module) => differenceChange(module.need('diff')) },
  norm: { signs: ['w_norm'], others: ['alpha'], read: (module) => differenceChange(module.need('w_norm')) },
};

/** How a module changes its weight, and the parts that say so; `undefined` if it does not. */
export function readChange(
  module: FileModule,
): { algorithm: LoraAlgorithm; parts: readonly Part[]; change: FileChange } | undefined {
  const found = loraAlgorithms.find((name) => algorithms[name].signs.some((sign) => module.has(sign)));
  if (!found) return undefined;
  const { signs, others, read } = algorithms[found];
  const isButterfly = found === 'oft' && module.get('oft_blocks')?.dims.length === 4;
  return { algorithm: isButterfly ? 'boft' : found, parts: [...signs, ...others], change: read(module) };
}
