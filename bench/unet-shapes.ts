// The name and shape of every tensor of a U-Net of Stable Diffusion, from its config.json.
import { Layers, type Shapes } from './layers.ts';

/** What of a config.json tells the shapes. */
export interface UnetShapesConfig {
  readonly block_out_channels: readonly number[];
  readonly cross_attention_dim: number;
  readonly down_block_types: readonly string[];
  readonly in_channels: number;
  readonly out_channels: number;
  readonly transformer_layers_per_block?: readonly number[];
  readonly use_linear_projection?: boolean;
  readonly projection_class_embeddings_input_dim?: number;
}

/** Residual blocks of each resolution on the way down; the way up has one more. */
const layersPerBlock = 2;

/** The tensors of the U-Net. */
export function shapesOfUnet(config: UnetShapesConfig): Shapes {
  const {
    block_out_channels: widths,
    cross_attention_dim: contextChannels,
    transformer_layers_per_block: depths,
    use_linear_projection: linearProjection = false,
    projection_class_embeddings_input_dim: addedChannels,
  } = config;
  const layers = new Layers();
  const first = widths[0]!;
  const last = widths.length - 1;
  const time = 4 * first;
  const transformer = (path: string, level: number) =>
    layers.transformer(path, widths[level]!, contextChannels, {
      depth: depths?.[level] ?? 1,
      linearProjection,
    });
  const attends = (level: number) => config.down_block_types[level]!.startsWith('CrossAttn');
  layers.conv('conv_in', config.in_channels, first, 3);
  layers.linear('time_embedding.linear_1', first, time);
  layers.linear('time_embedding.linear_2', time, time);
  if (addedChannels !== undefined) {
    layers.linear('add_embedding.linear_1', addedChannels, time);
    layers.linear('add_embedding.linear_2', time, time);
  }
  const skips = [first];
  let channels = first;
  for (const [level, width] of widths.entries()) {
    for (let j = 0; j < layersPerBlock; j++) {
      layers.resnet(`down_blocks.${level}.resnets.${j}`, channels, width, time);
      if (attends(level)) transformer(`down_blocks.${level}.attentions.${j}`, level);
      channels = width;
      skips.push(width);
    }
    if (level === last) continue;
    layers.conv(`down_blocks.${level}.downsamplers.0.conv`, width, width, 3);
    skips.push(width);
  }
  layers.resnet('mid_block.resnets.0', channels, channels, time);
  transformer('mid_block.attentions.0', last);
  layers.resnet('mid_block.resnets.1', channels, channels, time);
  for (const [i, width] of widths.toReversed().entries()) {
    for (let j = 0; j <= layersPerBlock; j++) {
      layers.resnet(`up_blocks.${i}.resnets.${j}`, channels + skips.pop()!, width, time);
      if (attends(last - i)) transformer(`up_blocks.${i}.attentions.${j}`, last - i);
      channels = width;
    }
    if (i < last) layers.conv(`up_blocks.${i}.upsamplers.0.conv`, width, width, 3);
  }
  layers.norm('conv_norm_out', first);
  layers.conv('conv_out', first, config.out_channels, 3);
  return layers.shapes;
}
