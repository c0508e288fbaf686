// Weights as onnxruntime-web takes them: each range of a file as a Blob of its own, which nobody reads before the load.
import { type FileRef, isByteRange, type Model } from '@emulsion/onnx';
import { SessionError } from '@emulsion/runtime';

/** Bytes that a graph refers to by a name. */
export interface ExternalWeight {
  readonly path: string;
  readonly data: Blob | Uint8Array;
}

/** A part of a file, not read and not copied. */
function part(network: string, file: FileRef, offset: number, length: number): Blob | Uint8Array {
  switch (file.kind) {
    case 'blob':
      return file.blob.slice(offset, offset + length);
    case 'bytes':
      return file.bytes.subarray(offset, offset + length);
    case 'path':
      throw new SessionError(
        `${network}: its weights lie at the path ${file.path}, which a browser cannot open. Open the folder with openFolder or fetchFolder of @emulsion/runtime-web.`,
      );
  }
}

/**
 * The model with each weight that lies in a file as a file of its own, and these files. Where a build reads files whole,
 * it so reads what the graph uses, and never more than one weight into one array.
 * @throws {SessionError} if a weight lies in a file system
 */
export function separateWeights({ graph, ...rest }: Model): { model: Model; weights: ExternalWeight[] } {
  const weights: ExternalWeight[] = [];
  const initializers = graph.initializers.map((initializer) => {
    const { data } = initializer;
    if (!isByteRange(data)) return initializer;
    const { file, offset, length } = data;
    const path = `weight-${weights.length}`;
    const piece = part(graph.name, file, offset, length);
    weights.push({ path, data: piece });
    const own: FileRef =
      piece instanceof Blob
        ? { kind: 'blob', name: path, blob: piece }
        : { kind: 'bytes', name: path, bytes: piece };
    return { ...initializer, data: { file: own, offset: 0, length } };
  });
  return { model: { ...rest, graph: { ...graph, initializers } }, weights };
}
