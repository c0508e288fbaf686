// Safetensors files with a changed header, for tests of names and damage.

/** The file with its JSON header changed and the tensors as they are. */
export function rewriteHeader(safetensors: Uint8Array, change: (header: string) => string): Uint8Array {
  const length = new DataView(safetensors.buffer, safetensors.byteOffset).getUint32(0, true);
  const header = change(new TextDecoder().decode(safetensors.subarray(8, 8 + length)));
  const bytes = new TextEncoder().encode(header);
  const tensors = safetensors.subarray(8 + length);
  const rewritten = new Uint8Array(8 + bytes.length + tensors.length);
  new DataView(rewritten.buffer).setUint32(0, bytes.length, true);
  rewritten.set(bytes, 8);
  rewritten.set(tensors, 8 + bytes.length);
  return rewritten;
}
