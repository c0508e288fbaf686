// Names that the modules of diffusers' SD3Transformer2DModel have in Stability AI's reference (mmdit.py).
import type { Modules } from '../model-modules.ts';
import type { OriginalName } from './original-name.ts';

/** The reference's names of the modules of a transformer with joint attention. */
export function* sd3Names(modules: Modules): Generator<OriginalName> {
  const one = (name: string, module: string): OriginalName => ({ name, modules: [module] });
  yield one('x_embedder.proj', 'pos_embed.proj');
  yield one('context_embedder', 'context_embedder');
  for (const [layer, index] of [
    ['linear_1', 0],
    ['linear_2', 2],
  ] as const) {
    yield one(`t_embedder.mlp.${index}`, `time_text_embed.timestep_embedder.${layer}`);
    yield one(`y_embedder.mlp.${index}`, `time_text_embed.text_embedder.${layer}`);
  }
  for (let i = 0; modules.has(`transformer_blocks.${i}.norm1.linear`); i++) {
    const block = `transformer_blocks.${i}`;
    const original = `joint_blocks.${i}`;
    for (const attention of ['attn', 'attn2']) {
      const home = `${block}.${attention}`;
      const x = `${original}.x_block.${attention}`;
      yield { name: `${x}.qkv`, modules: [`${home}.to_q`, `${home}.to_k`, `${home}.to_v`] };
      yield one(`${x}.proj`, `${home}.to_out.0`);
      yield one(`${x}.ln_q`, `${home}.norm_q`);
      yield one(`${x}.ln_k`, `${home}.norm_k`);
    }
    const added = ['q', 'k', 'v'].map((part) => `${block}.attn.add_${part}_proj`);
    yield { name: `${original}.context_block.attn.qkv`, modules: added };
    yield one(`${original}.context_block.attn.proj`, `${block}.attn.to_add_out`);
    yield one(`${original}.context_block.attn.ln_q`, `${block}.attn.norm_added_q`);
    yield one(`${original}.context_block.attn.ln_k`, `${block}.attn.norm_added_k`);
    for (const [stream, suffix] of [
      ['x_block', ''],
      ['context_block', '_context'],
    ] as const) {
      yield one(`${original}.${stream}.mlp.fc1`, `${block}.ff${suffix}.net.0.proj`);
      yield one(`${original}.${stream}.mlp.fc2`, `${block}.ff${suffix}.net.2`);
      // The last block changes the text no more: it has a scale and a shift alone.
      const swapped = suffix !== '' && !modules.has(`${block}.attn.to_add_out`);
      const modulation = [`${block}.norm1${suffix}.linear`];
      yield { name: `${original}.${stream}.adaLN_modulation.1`, modules: modulation, swapped };
    }
  }
  yield one('final_layer.linear', 'proj_out');
  yield { name: 'final_layer.adaLN_modulation.1', modules: ['norm_out.linear'], swapped: true };
}
