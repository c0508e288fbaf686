// Names that the modules of diffusers' UNet2DConditionModel have in CompVis' latent-diffusion (openaimodel.py).
import type { Modules } from '../model-modules.ts';

const resnetNames: ReadonlyMap<string, string> = new Map([
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
]);

const outerNames = {
  conv_in: 'input_blocks.0.0',
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  'mid_block.resnets.0': 'middle_block.0',
  'mid_block.attentions.0': 'middle_block.1',
  'mid_block.resnets.1': 'middle_block.2',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
} as const;

/** The original's name of each module of a U-Net, by diffusers' path. */
export function ldmUnetNames(modules: Modules): ReadonlyMap<string, string> {
  const blocks = new Map<string, string>(Object.entries(outerNames));
  for (const [block, original] of numberedBlocks(modules)) blocks.set(block, original);
  const names = new Map<string, string>();
  for (const module of modules.keys()) {
    const [, block = '', rest = ''] =
      /^((?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.\w+\.\d+)\.(.*)$/.exec(module) ?? [];
    const outer = blocks.get(module);
    const home = blocks.get(block);
    const inner = block.includes('.resnets.') ? resnetNames.get(rest) : rest;
    if (outer !== undefined) names.set(module, outer);
    else if (home !== undefined && inner !== undefined) names.set(module, `${home}.${inner}`);
  }
  return names;
}

/** The blocks of both paths through the network, which the original numbers in one row each. */
function* numberedBlocks(modules: Modules): Generator<[block: string, original: string]> {
  const has = (prefix: string) => [...modules.keys()].some((module) => module.startsWith(`${prefix}.`));
  let input = 1;
  for (let level = 0; has(`down_blocks.${level}`); level++) {
    const home = `down_blocks.${level}`;
    for (let layer = 0; has(`${home}.resnets.${layer}`); layer++, input++) {
      yield [`${home}.resnets.${layer}`, `input_blocks.${input}.0`];
      yield [`${home}.attentions.${layer}`, `input_blocks.${input}.1`];
    }
    if (has(`${home}.downsamplers.0`)) {
      yield [`${home}.downsamplers.0.conv`, `input_blocks.${input}.0.op`];
      input++;
    }
  }
  let output = 0;
  for (let level = 0; has(`up_blocks.${level}`); level++) {
    const home = `up_blocks.${level}`;
    for (let layer = 0; has(`${home}.resnets.${layer}`); layer++, output++) {
      yield [`${home}.resnets.${layer}`, `output_blocks.${output}.0`];
      yield [`${home}.attentions.${layer}`, `output_blocks.${output}.1`];
    }
    // The upsampler follows the last layer's attention, or its residual block where there is none.
    const index = has(`${home}.attentions.0`) ? 2 : 1;
    yield [`${home}.upsamplers.0.conv`, `output_blocks.${output - 1}.${index}.conv`];
  }
}
