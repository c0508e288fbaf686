// (IA)³, Liu et al. (2022): rows or columns of a weight scaled by learned factors.
import { deltaByRows, type FileChange } from './file-change.ts';
import type { FileModule } from './file-module.ts';

/** LyCORIS: ΔW = W ∘ weight, along the inputs if `on_input`, along the outputs otherwise. */
export function ia3Change(module: FileModule): FileChange {
  const { data } = module.need('ia3_weight');
  return scaledChange(module, data, module.number('on_input') === 1, (factor) => factor);
}

/** PEFT: W' = W ∘ `ia3_l`, which is `[1, in]` or `[out, 1]`. */
export function peftIa3Change(module: FileModule): FileChange {
  const { data, dims } = module.need('ia3_l');
  return scaledChange(module, data, dims[0] === 1, (factor) => factor - 1);
}

function scaledChange(
  module: FileModule,
  factors: Float32Array,
  onInput: boolean,
  gain: (factor: number) => number,
): FileChange {
  return {
    ...(!onInput && { rows: factors.length }),
    at: (place) => {
      const inputs = place.dims[1] ?? 1;
      if (onInput) module.assertEqual(module.has('ia3_l') ? 'ia3_l' : 'ia3_weight', factors.length, inputs);
      return deltaByRows(place, true, (row, base, out) => {
        const kernel = base.length / inputs;
        for (let i = 0; i < base.length; i++) {
          const factor = factors[onInput ? Math.floor(i / kernel) : row]!;
          out[i] = gain(factor) * base[i]!;
        }
      });
    },
  };
}
