// The guidance scale as an input of a distilled network (Meng et al. 2023; Luo et al. 2023, LCM).
import { timestepFeatures } from '@emulsion/nn';
import type { Tensor } from '@emulsion/tensor';

/**
 * Features of guidance scales, for `timestepCond`.
 * @param guidanceScales one for each sample; 1 is no guidance
 * @param channels `timestepCondChannels` of the U-Net's config
 * @returns `[guidanceScales.length, channels]`
 */
export const guidanceFeatures = (guidanceScales: readonly number[], channels: number): Tensor =>
  timestepFeatures(
    guidanceScales.map((scale) => 1000 * (scale - 1)),
    { channels, flipSinToCos: false, frequencyShift: 1 },
  );
