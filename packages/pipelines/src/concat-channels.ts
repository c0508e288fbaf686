// Tensors joined along their channels.
import { sizeOf, type Tensor, tensor } from '@emulsion/tensor';

/**
 * Puts the channels of one tensor behind those of another.
 * @param first `[batch, channels, …]`
 * @param second `[batch, otherChannels, …]`, all else the same
 * @returns `[batch, channels + otherChannels, …]`
 */
export function concatChannels(first: Tensor, second: Tensor): Tensor {
  const [batch = 0, channels = 0, ...space] = first.dims;
  const others = second.dims[1] ?? 0;
  const [length, otherLength] = [sizeOf([channels, ...space]), sizeOf([others, ...space])];
  const data = new Float32Array(batch * (length + otherLength));
  for (let i = 0; i < batch; i++) {
    const start = i * (length + otherLength);
    data.set(first.data.subarray(i * length, (i + 1) * length), start);
    data.set(second.data.subarray(i * otherLength, (i + 1) * otherLength), start + length);
  }
  return tensor(data, [batch, channels + others, ...space]);
}
