// Where the bytes of a weight lie, without reading them.

/**
 * A file that weights lie in: on a file system (`path` absolute, symlinks resolved), or, where there is none, a Blob
 * (a File is one) or bytes in memory. `name` tells files of one model apart.
 */
export type FileRef =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'blob'; readonly name: string; readonly blob: Blob }
  | { readonly kind: 'bytes'; readonly name: string; readonly bytes: Uint8Array };

/** `length` bytes of a file from `offset` on. */
export interface ByteRange {
  readonly file: FileRef;
  readonly offset: number;
  readonly length: number;
}
