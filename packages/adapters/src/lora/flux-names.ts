// Names that the modules of diffusers' FluxTransformer2DModel have in Black Forest Labs' reference and in X-Labs' files.
import type { Modules } from '../model-modules.ts';
import type { OriginalName } from './original-name.ts';

/** The reference's names of the modules of a Flux transformer; those of X-Labs end with `_lora1` and `_lora2`. */
export function* fluxNames(modules: Modules): Generator<OriginalName> {
  const one = (name: string, module: string): OriginalName => ({ name, modules: [module] });
  yield one('img_in', 'x_embedder');
  yield one('txt_in', 'context_embedder');
  for (const [original, embedder] of [
    ['time_in', 'timestep_embedder'],
    ['vector_in', 'text_embedder'],
    ['guidance_in', 'guidance_embedder'],
  ] as const) {
    yield one(`${original}.in_layer`, `time_text_embed.${embedder}.linear_1`);
    yield one(`${original}.out_layer`, `time_text_embed.${embedder}.linear_2`);
  }
  for (let i = 0; modules.has(`transformer_blocks.${i}.norm1.linear`); i++) {
    const original = `double_blocks.${i}`;
    const attn = `transformer_blocks.${i}.attn`;
    const image = [`${attn}.to_q`, `${attn}.to_k`, `${attn}.to_v`];
    const text = [`${attn}.add_q_proj`, `${attn}.add_k_proj`, `${attn}.add_v_proj`];
    yield { name: `${original}.img_attn.qkv`, modules: image };
    yield { name: `${original}.txt_attn.qkv`, modules: text };
    yield { name: `${original}.qkv_lora1`, modules: image };
    yield { name: `${original}.qkv_lora2`, modules: text };
    for (const name of ['img_attn.proj', 'proj_lora1']) yield one(`${original}.${name}`, `${attn}.to_out.0`);
    for (const name of ['txt_attn.proj', 'proj_lora2'])
      yield one(`${original}.${name}`, `${attn}.to_add_out`);
    for (const [stream, suffix] of [
      ['img', ''],
      ['txt', '_context'],
    ] as const) {
      yield one(`${original}.${stream}_mlp.0`, `transformer_blocks.${i}.ff${suffix}.net.0.proj`);
      yield one(`${original}.${stream}_mlp.2`, `transformer_blocks.${i}.ff${suffix}.net.2`);
      yield one(`${original}.${stream}_mod.lin`, `transformer_blocks.${i}.norm1${suffix}.linear`);
    }
  }
  for (let i = 0; modules.has(`single_transformer_blocks.${i}.norm.linear`); i++) {
    const original = `single_blocks.${i}`;
    const block = `single_transformer_blocks.${i}`;
    const qkv = [`${block}.attn.to_q`, `${block}.attn.to_k`, `${block}.attn.to_v`];
    yield { name: `${original}.linear1`, modules: [...qkv, `${block}.proj_mlp`] };
    yield { name: `${original}.qkv`, modules: qkv };
    for (const name of ['linear2', 'proj']) yield one(`${original}.${name}`, `${block}.proj_out`);
    yield one(`${original}.modulation.lin`, `${block}.norm.linear`);
  }
  yield one('final_layer.linear', 'proj_out');
  yield { name: 'final_layer.adaLN_modulation.1', modules: ['norm_out.linear'], swapped: true };
}
