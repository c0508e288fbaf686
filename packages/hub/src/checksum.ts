// The names by which a hub knows the contents of files: SHA-256 for large files, git's SHA-1 for the others.
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';

/** A hash of bytes that come piece by piece. */
export interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export type CreateHash = (algorithm: 'sha1' | 'sha256') => Hash;

const createHashInJavaScript: CreateHash = (algorithm) =>
  algorithm === 'sha256' ? sha256.create() : sha1.create();

/** The checksum of one file, fed piece by piece. */
export interface Checksum {
  /** What messages call it. */
  readonly algorithm: 'SHA-256' | 'git SHA-1';
  update(bytes: Uint8Array): void;
  /** The checksum in hexadecimal digits. */
  digest(): string;
}

/** Whether `text` is a checksum as hubs list them. */
export const isChecksum = (text: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);

/**
 * The checksum of the kind that `expected` is: 64 digits are the SHA-256 of the bytes, as Git LFS names a file, 40
 * digits the SHA-1 of git's blob object, which is the bytes behind a header with their number.
 * @param size bytes of the file
 */
export function createChecksum(
  expected: string,
  size: number,
  createHash: CreateHash = createHashInJavaScript,
): Checksum {
  const large = expected.length === 64;
  const hash = createHash(large ? 'sha256' : 'sha1');
  if (!large) hash.update(new TextEncoder().encode(`blob ${size}\0`));
  return {
    algorithm: large ? 'SHA-256' : 'git SHA-1',
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => Array.from(hash.digest(), (byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}
