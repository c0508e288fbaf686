// Weights as onnxruntime-web takes them: each range of a file as a Blob of its own, which nobody reads before the load.
import { type FileRef, type Initializer, isByteRange, type Model } from '@emulsion/onnx';
import { SessionError } from '@emulsion/runtime';

/** Bytes that a graph refers to by a name. */
export interface ExternalWeight {
  readonly path: string;
  readonly data: Blob | Uint8Array;
}

/**
 * The model with each weight that lies in a file as a file of its own, and these files. Where a build reads files whole,
 * it so reads what the graph uses, and never more than one weight into one array. Weights of type bfloat16, for which
 * the browser's builds have no kernels, become float32.
 * @throws {SessionError} if a weight lies in a file system
 */
export async function separateWeights({
  graph,
  ...rest
}: Model): Promise<{ model: Model; weights: ExternalWeight[] }> {
  const weights: ExternalWeight[] = [];
  const initializers: Initializer[] = [];
  for (const initializer of graph.initializers) {
    const { data, dataType } = initializer;
    if (!isByteRange(data)) {
      initializers.push(initializer);
      continue;
    }
    const { file, offset, length } = data;
    const stored = part(graph.name, file, offset, length);
    const isBfloat16 = dataType === 'bfloat16';
    const own = fileOf(`weight-${weights.length}`, isBfloat16 ? await widened(stored) : stored);
    weights.push({ path: own.name, data: own.kind === 'blob' ? holdingStreams(own.blob) : own.bytes });
    initializers.push({
      ...initializer,
      dataType: isBfloat16 ? 'float32' : dataType,
      data: { file: own, offset: 0, length: isBfloat16 ? 2 * length : length },
    });
  }
  return { model: { ...rest, graph: { ...graph, initializers } }, weights };
}

/**
 * The same Blob, which holds the streams that its parts are read by. Chromium 156 collects such a stream as garbage if
 * nothing but the code that waits for it knows of it, and that code then waits for ever. onnxruntime, which reads weights
 * so, holds the Blob until they are loaded.
 */
function holdingStreams(blob: Blob): Blob {
  const streams: ReadableStream[] = [];
  const slice = (...range: Parameters<Blob['slice']>) => {
    const part = Blob.prototype.slice.apply(blob, range);
    const stream = () => {
      const opened = Blob.prototype.stream.call(part);
      streams.push(opened);
      return opened;
    };
    return Object.assign(part, { stream });
  };
  return Object.assign(blob, { slice });
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

const fileOf = (name: string, data: Blob | Uint8Array): Exclude<FileRef, { readonly kind: 'path' }> =>
  data instanceof Blob ? { kind: 'blob', name, blob: data } : { kind: 'bytes', name, bytes: data };

/** bfloat16 as float32, of which it is the upper half; a Blob, which the browser keeps where it likes. */
async function widened(stored: Blob | Uint8Array): Promise<Blob> {
  const bytes = stored instanceof Blob ? new Uint8Array(await stored.arrayBuffer()) : stored;
  const wide = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i += 2) {
    wide[2 * i + 2] = bytes[i]!;
    wide[2 * i + 3] = bytes[i + 1]!;
  }
  return new Blob([wide]);
}
