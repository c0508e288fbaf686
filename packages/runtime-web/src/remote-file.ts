// A file on a web server: parts of it by range requests, or all of it as a Blob.
import { assertRange, MissingFileError, type ReadRange, UnreadableFileError } from '@emulsion/checkpoints';

/** One file. It is downloaded whole at most once; what of it was read in parts is not kept. */
export class RemoteFile {
  readonly #url: URL;
  readonly #folder: string;
  readonly #path: string;
  #whole: Promise<Blob> | undefined;

  /** @param folder what messages call the folder that the file is in at `path` */
  constructor(url: URL, folder: string, path: string) {
    this.#url = url;
    this.#folder = folder;
    this.#path = path;
  }

  async exists(): Promise<boolean> {
    if (this.#whole) return true;
    try {
      await this.#request({ method: 'HEAD' });
      return true;
    } catch (error) {
      if (MissingFileError.is(error)) return false;
      throw error;
    }
  }

  async size(): Promise<number> {
    // The widespread server "sirv" misreads a request for the first byte alone.
    return (await this.#part({ offset: 0, length: 2 })).size;
  }

  /** The whole file. The browser may keep it on its disk. */
  whole(): Promise<Blob> {
    this.#whole ??= this.#request({})
      .then((response) => this.#body(response.blob()))
      .catch((error: unknown) => {
        this.#whole = undefined;
        throw error;
      });
    return this.#whole;
  }

  async read(range?: ReadRange): Promise<Uint8Array> {
    if (!range) {
      const source = this.#whole ? await this.#whole : await this.#request({});
      return new Uint8Array(await this.#body(source.arrayBuffer()));
    }
    const { bytes, size } = await this.#part(range);
    assertRange(this.#folder, this.#path, range, size);
    if (bytes.length !== range.length) throw this.#unreadable('it was cut short');
    return bytes;
  }

  /** As much of the range as the file has, and the file's size. A server that knows no ranges gives the whole file. */
  async #part({ offset, length }: ReadRange): Promise<{ bytes: Uint8Array; size: number }> {
    if (!this.#whole) {
      // A range request cannot ask for nothing.
      const last = offset + Math.max(length, 1) - 1;
      const headers = { Range: `bytes=${offset}-${last}` };
      // Parts in the browser's cache would be put together with what a server answers wrongly.
      const response = await this.#request({ headers, cache: 'no-store' });
      const size = Number(/\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1]);
      if (response.status === 206 && Number.isInteger(size)) {
        const bytes = new Uint8Array(await this.#body(response.arrayBuffer()));
        return { bytes: bytes.subarray(0, length), size };
      }
      await response.body?.cancel();
      if (response.status === 416 && Number.isInteger(size)) return { bytes: new Uint8Array(), size };
    }
    const blob = await this.whole();
    const bytes = await blob.slice(offset, offset + length).arrayBuffer();
    return { bytes: new Uint8Array(bytes), size: blob.size };
  }

  async #request(init: RequestInit): Promise<Response> {
    const response = await fetch(this.#url, init).catch((cause: unknown) => {
      throw this.#unreadable('the server cannot be reached', cause);
    });
    const { ok, status, statusText } = response;
    if (status === 404 || status === 410) throw new MissingFileError({ name: this.#folder }, this.#path);
    // "Range not satisfiable" has the size of the file with it.
    if (!ok && status !== 416) throw this.#unreadable(`the server says ${status} ${statusText}`.trimEnd());
    return response;
  }

  /** What is read of a response, which may break off. */
  #body<T>(reading: Promise<T>): Promise<T> {
    return reading.catch((cause: unknown) => {
      throw this.#unreadable('the connection broke', cause);
    });
  }

  #unreadable(reason: string, cause?: unknown): UnreadableFileError {
    return new UnreadableFileError({ name: this.#folder }, this.#path, reason, { cause });
  }
}
