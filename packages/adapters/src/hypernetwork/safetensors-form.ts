// How a hypernetwork lies in a safetensors file: A1111's dict, with the weights by width, side and name.

/** The note in the file's metadata that holds all but the weights: JSON, by A1111's names. */
export const hypernetworkNote = 'hypernetwork';

/** Names of tensors: `768.key.linear.0.weight` is "linear.0.weight" of the first state dict under 768. */
export const tensorName =
  /^(?<width>[1-9]\d*)\.(?<side>key|value)\.(?<parameter>linear\.\d+\.(weight|bias))$/;
