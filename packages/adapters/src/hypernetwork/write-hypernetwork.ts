// A hypernetwork as a safetensors file: A1111 has no such form, so this one is of our own, and loses nothing.
import { writeSafetensors } from '@emulsion/checkpoints';
import { type AnyTensor, type Tensor, tensor, toFloat16 } from '@emulsion/tensor';
import type { Hypernetwork, HypernetworkLayer } from './hypernetwork.ts';
import { hypernetworkNote } from './safetensors-form.ts';

/**
 * The bytes of a safetensors file. Tensors are called `768.key.linear.0.weight`: the width, for what, and A1111's name;
 * the note `hypernetwork` in the metadata is JSON of all else, by A1111's names.
 */
export function writeHypernetwork(hypernetwork: Hypernetwork): Uint8Array {
  const { widths, dtype, dropoutStructure } = hypernetwork;
  const stored = (values: Tensor): AnyTensor =>
    dtype === 'float16' ? tensor(toFloat16(values.data), values.dims) : values;
  const tensors: Record<string, AnyTensor> = {};
  for (const [width, pair] of widths) {
    for (const side of ['key', 'value'] as const) {
      for (const [name, values] of parametersOf(pair[side], dropoutStructure))
        tensors[`${width}.${side}.${name}`] = stored(values);
    }
  }
  return writeSafetensors(tensors, { [hypernetworkNote]: JSON.stringify(settingsOf(hypernetwork)) });
}

/** The settings by A1111's names, in its order. */
function settingsOf(hypernetwork: Hypernetwork): Record<string, unknown> {
  const { dropoutStructure } = hypernetwork;
  return {
    step: hypernetwork.step,
    name: hypernetwork.name,
    layer_structure: hypernetwork.layerStructure,
    activation_func: hypernetwork.activation,
    is_layer_norm: hypernetwork.isLayerNorm,
    weight_initialization: hypernetwork.weightInitialization,
    sd_checkpoint: hypernetwork.checkpointHash ?? null,
    sd_checkpoint_name: hypernetwork.checkpointName ?? null,
    activate_output: hypernetwork.activateOutput,
    use_dropout: dropoutStructure.some((share) => share > 0),
    dropout_structure: dropoutStructure,
    last_layer_dropout: dropoutStructure.length > 2 && dropoutStructure.at(-2)! > 0,
    optional_info: hypernetwork.optionalInfo ?? null,
  };
}

/** The parameters of a network by their names in PyTorch's Sequential, where activations and dropout have a place too. */
function* parametersOf(
  layers: readonly HypernetworkLayer[],
  dropoutStructure: readonly number[],
): Generator<[name: string, values: Tensor]> {
  let index = 0;
  let linears = 0;
  for (const layer of layers) {
    // Dropout stands at the end of what belongs to a linear layer, before the next one.
    if (layer.kind === 'linear' && dropoutStructure[linears++]! > 0) index++;
    if (layer.weight) yield [`linear.${index}.weight`, layer.weight];
    if (layer.kind !== 'activation') yield [`linear.${index}.bias`, layer.bias];
    index++;
  }
}
