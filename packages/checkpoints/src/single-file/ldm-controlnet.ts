// A ControlNet in the names of its authors (cldm.py) in the terms of diffusers' ControlNetModel.
import type { Weights } from '../weight.ts';
import { type ConvertedComponent, countWhile, dimOf, renamed } from './converted-component.ts';
import { convertUnet } from './ldm-unet.ts';

/** A weight that only a ControlNet has. */
export const controlNetMark = 'input_hint_block.0.weight';

/** The ControlNet of weights whose names lack the prefix `control_model.`. */
export function convertControlNet(weights: Weights): ConvertedComponent {
  const unet = convertUnet(weights, 'text_time');
  const { out_channels: _out, up_block_types: _up, ...measured } = unet.measured;
  const hint = (i: number) => `input_hint_block.${i}.weight`;
  // Every second module is an activation.
  const convolutions = countWhile((i) => weights.has(hint(2 * i)));
  const last = 2 * (convolutions - 1);
  const channels = Array.from({ length: convolutions / 2 }, (_, i) => dimOf(weights, hint(4 * i), 0));
  return {
    measured: {
      ...measured,
      _class_name: 'ControlNetModel',
      conditioning_channels: dimOf(weights, hint(0), 1),
      conditioning_embedding_out_channels: channels,
    },
    assumed: unet.assumed,
    async weights() {
      return renamed(await unet.weights(), (name) =>
        name
          .replace(/^zero_convs\.(\d+)\.0\./, 'controlnet_down_blocks.$1.')
          .replace(/^middle_block_out\.0\./, 'controlnet_mid_block.')
          .replace(/^input_hint_block\.(\d+)\./, (_, module) => {
            const place = Number(module);
            if (place === 0) return 'controlnet_cond_embedding.conv_in.';
            if (place === last) return 'controlnet_cond_embedding.conv_out.';
            return `controlnet_cond_embedding.blocks.${place / 2 - 1}.`;
          }),
      );
    },
  };
}
