// The text encoder of OpenCLIP (transformer.py), as Stable Diffusion 2 and SDXL keep it, in the names of transformers.
import { dataTypeBytes } from '@emulsion/onnx';
import type { Folder } from '../folder.ts';
import { copyStrided } from '../strides.ts';
import type { Weight, Weights } from '../weight.ts';
import { describeClip } from './clip.ts';
import {
  type ConvertedComponent,
  copied,
  countWhile,
  replaceStart,
  splitRows,
} from './converted-component.ts';

const outerNames = [
  ['token_embedding', 'text_model.embeddings.token_embedding'],
  ['positional_embedding', 'text_model.embeddings.position_embedding.weight'],
  ['ln_final', 'text_model.final_layer_norm'],
] as const;

const layerNames = [
  ['ln_1', 'layer_norm1'],
  ['ln_2', 'layer_norm2'],
  ['mlp.c_fc', 'mlp.fc1'],
  ['mlp.c_proj', 'mlp.fc2'],
  ['attn.out_proj', 'self_attn.out_proj'],
] as const;

/** Projections that lie one below the other in one matrix. */
const projections = ['q_proj', 'k_proj', 'v_proj'];

/** Weights of training that no picture needs. */
const unneeded = new Set(['logit_scale', 'attn_mask']);

/**
 * The encoder of weights whose names lack the prefix of the model.
 * @param folder where the weights are: the matrix that pools the text is transposed, and read for that
 * @param lastLayer whether the last layer is used; Stable Diffusion 2 was trained on the one before it
 */
export function convertOpenClip(
  folder: Folder,
  weights: Weights,
  { lastLayer }: { readonly lastLayer: boolean },
): ConvertedComponent {
  const count = countWhile((i) => weights.has(`transformer.resblocks.${i}.ln_1.weight`));
  const layers = lastLayer ? count : count - 1;
  const named = new Map<string, Weight>();
  const add = (weight: Weight, name: string) => void named.set(name, { ...weight, name });
  for (const [name, weight] of weights) {
    if (unneeded.has(name)) continue;
    const [, layer, rest] = /^transformer\.resblocks\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (layer === undefined || rest === undefined) {
      // Stable Diffusion 2 does not pool the text.
      if (name !== 'text_projection' || (lastLayer && weight.dims.length === 2))
        add(weight, name === 'text_projection' ? 'text_projection.weight' : replaceStart(name, outerNames));
    } else if (Number(layer) < layers) {
      const home = `text_model.encoder.layers.${layer}`;
      const [, kind] = /^attn\.in_proj_(weight|bias)$/.exec(rest) ?? [];
      if (kind === undefined || weight.dims[0]! % 3 !== 0)
        add(weight, `${home}.${replaceStart(rest, layerNames)}`);
      else
        for (const part of splitRows(
          weight,
          projections.map((name) => [`${home}.self_attn.${name}.${kind}`, weight.dims[0]! / 3]),
        ))
          add(part, part.name);
    }
  }
  const projection = named.get('text_projection.weight');
  const className = projection ? 'CLIPTextModelWithProjection' : 'CLIPTextModel';
  if (projection) named.set(projection.name, { ...projection, dims: projection.dims.toReversed() });
  return {
    ...describeClip(named, 'gelu', className),
    weights: async () =>
      projection ? new Map([...named, [projection.name, await transposed(folder, projection)]]) : named,
  };
}

/** A copy of a matrix with rows and columns exchanged. */
async function transposed(folder: Folder, weight: Weight): Promise<Weight> {
  const [rows = 1, columns = 1] = weight.dims;
  const copy = await copied(folder, weight, (stored) =>
    copyStrided(stored, [columns, rows], [1, columns], dataTypeBytes[weight.dtype]),
  );
  return { ...copy, dims: [columns, rows] };
}
