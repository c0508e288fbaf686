// The U-Net of CompVis' latent-diffusion (openaimodel.py) in the terms of diffusers' UNet2DConditionModel.
import type { Weights } from '../weight.ts';
import {
  type ConvertedComponent,
  countWhile,
  dimOf,
  headsOf64,
  renamed,
  replaceStart,
} from './converted-component.ts';

const resnetNames = [
  ['in_layers.0', 'norm1'],
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.0', 'norm2'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
] as const;

const outerNames = [
  ['input_blocks.0.0', 'conv_in'],
  ['time_embed.0', 'time_embedding.linear_1'],
  ['time_embed.2', 'time_embedding.linear_2'],
  ['middle_block.0', 'mid_block.resnets.0'],
  ['middle_block.1', 'mid_block.attentions.0'],
  ['middle_block.2', 'mid_block.resnets.1'],
  ['out.0', 'conv_norm_out'],
  ['out.2', 'conv_out'],
] as const;

/** What a label is: of SDXL the pooled text and sizes, of others a row of a table or features. */
export type LabelKind = 'text_time' | 'class';

/** One resolution, as the numbered blocks of a path through the network tell it. */
interface Level {
  readonly channels: number;
  readonly resnets: number;
  /** Module of the first attention in the original's names. */
  readonly attention: string | undefined;
}

/**
 * The U-Net of weights whose names lack the prefix `model.diffusion_model.`.
 * @param labels what `label_emb` embeds, if there is one
 * @param sampleSize width and height of the latents that it was trained on; a ControlNet's configuration has none
 */
export function convertUnet(weights: Weights, labels: LabelKind, sampleSize?: number): ConvertedComponent {
  const { names, down, up } = findBlocks(weights);
  const attention = 'middle_block.1';
  const linear = weights.get(`${attention}.proj_in.weight`)?.dims.length === 2;
  const layersIn = (module: string | undefined) =>
    module === undefined
      ? undefined
      : countWhile((i) => weights.has(`${module}.transformer_blocks.${i}.norm1.weight`));
  const onlyCross = down.map(
    ({ attention: module }) => module !== undefined && readsTextAlone(weights, module),
  );
  const channels = down.map((level) => level.channels);
  const classes = dimOf(weights, 'label_emb.weight', 0);
  const features = dimOf(weights, 'label_emb.0.0.weight', 1);
  const label = labels === 'text_time' ? 'add_embedding' : 'class_embedding';
  const labelNames = [
    ['label_emb.0.0', `${label}.linear_1`],
    ['label_emb.0.2', `${label}.linear_2`],
    ['label_emb', label],
  ] as const;
  return {
    measured: {
      _class_name: 'UNet2DConditionModel',
      in_channels: dimOf(weights, 'input_blocks.0.0.weight', 1),
      out_channels: dimOf(weights, 'out.2.weight', 0),
      block_out_channels: channels,
      layers_per_block: down[0]?.resnets,
      down_block_types: down.map((level) => (level.attention ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
      up_block_types: up.map((level) => (level.attention ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
      // The middle has as many as the last resolution, which may have no attention of its own.
      transformer_layers_per_block: down.map(
        (level, i) =>
          layersIn(level.attention) ?? (i === down.length - 1 ? layersIn(attention) : undefined) ?? 1,
      ),
      cross_attention_dim: dimOf(weights, `${attention}.transformer_blocks.0.attn2.to_k.weight`, 1),
      use_linear_projection: linear,
      ...(onlyCross.includes(true) && { only_cross_attention: onlyCross }),
      ...(classes !== undefined && { num_class_embeds: classes }),
      ...(features !== undefined && {
        projection_class_embeddings_input_dim: features,
        ...(labels === 'text_time'
          ? { addition_embed_type: 'text_time' }
          : { class_embed_type: 'projection' }),
      }),
    },
    assumed: {
      ...(sampleSize !== undefined && { sample_size: sampleSize }),
      // Stable Diffusion 1 and the upscaler have 8 heads in each attention, later models heads of 64 channels.
      attention_head_dim: linear && classes === undefined ? channels.map(headsOf64) : 8,
      ...(labels === 'text_time' && features !== undefined && { addition_time_embed_dim: 256 }),
      norm_num_groups: 32,
    },
    weights: async () =>
      renamed(weights, (name) => {
        const [, module = '', rest = ''] = /^((?:input|output)_blocks\.\d+\.\d+)\.(.*)$/.exec(name) ?? [];
        const block = names.get(module);
        if (block !== undefined) return `${block}.${rename(block, rest)}`;
        const outer = replaceStart(replaceStart(name, outerNames), labelNames);
        const resnet = /^mid_block\.resnets\.\d\./.exec(outer)?.[0];
        return resnet ? resnet + replaceStart(outer.slice(resnet.length), resnetNames) : outer;
      }),
  };
}

const rename = (block: string, rest: string) =>
  block.includes('.resnets.') ? replaceStart(rest, resnetNames) : rest.replace(/^(op|conv)\./, '');

/** Whether the first attention of a block reads the text, as in the upscaler, and not the picture. */
function readsTextAlone(weights: Weights, module: string): boolean {
  const block = `${module}.transformer_blocks.0`;
  const text = dimOf(weights, `${block}.attn2.to_k.weight`, 1);
  return (
    dimOf(weights, `${block}.attn1.to_k.weight`, 1) === text &&
    dimOf(weights, `${block}.attn1.to_q.weight`, 1) !== text
  );
}

/** Diffusers' names of the modules in the numbered blocks of both paths, and the resolutions that they make up. */
function findBlocks(weights: Weights) {
  const names = new Map<string, string>();
  const walk = (path: 'input' | 'output', first: number, kind: 'down' | 'up'): Level[] => {
    const levels: Level[] = [];
    let level: { channels: number; resnets: number; attention: string | undefined } | undefined;
    const has = (name: string) => weights.has(`${name}.weight`);
    const count = countWhile((i) => {
      const block = `${path}_blocks.${i}`;
      return i < first || has(`${block}.0.in_layers.0`) || has(`${block}.0.op`);
    });
    for (let i = first; i < count; i++) {
      const block = `${path}_blocks.${i}`;
      if (!level) {
        level = { channels: 0, resnets: 0, attention: undefined };
        levels.push(level);
      }
      const home = `${kind}_blocks.${levels.length - 1}`;
      if (has(`${block}.0.op`)) {
        names.set(`${block}.0`, `${home}.downsamplers.0.conv`);
        level = undefined;
        continue;
      }
      names.set(`${block}.0`, `${home}.resnets.${level.resnets}`);
      level.channels = dimOf(weights, `${block}.0.out_layers.3.weight`, 0) ?? 0;
      if (has(`${block}.1.proj_in`)) {
        names.set(`${block}.1`, `${home}.attentions.${level.resnets}`);
        level.attention ??= `${block}.1`;
      }
      level.resnets++;
      const upsampler = [`${block}.1`, `${block}.2`].find((module) => has(`${module}.conv`));
      if (upsampler !== undefined) {
        names.set(upsampler, `${home}.upsamplers.0.conv`);
        level = undefined;
      }
    }
    return levels;
  };
  const down = walk('input', 1, 'down');
  return { names, down, up: walk('output', 0, 'up') };
}
