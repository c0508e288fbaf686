// The download of one file into a cache: goes on where an earlier one stopped, and keeps only what is the right file.
import { createChecksum } from './checksum.ts';
import { ChecksumError, DownloadInterruptedError, HubResponseError, HubUnreachableError } from './errors.ts';
import type { ListedFile } from './file-list.ts';
import { fileUrl, type HubClient, type HubResponse, request, withRetries } from './hub-client.ts';
import type { HubStorage, PartialBlob } from './storage.ts';

/** A file that is wanted in a cache. */
export interface Wanted {
  readonly repo: string;
  readonly commit: string;
  readonly file: ListedFile;
}

/**
 * Brings a file into the cache, whole and with the right checksum. Connections that break are taken up again from
 * where they broke; bytes that an earlier download left are not fetched again.
 * @param onLoaded called with the bytes that are there, whenever there are more
 * @throws {ChecksumError} {DownloadInterruptedError} {HubResponseError} and the errors of requests and of the storage
 */
export async function download(
  client: HubClient,
  storage: HubStorage,
  wanted: Wanted,
  onLoaded: (loaded: number) => void,
): Promise<void> {
  const { repo, commit, file } = wanted;
  const { signal } = client;
  const part = await storage.openBlob(repo, {
    blob: file.checksum,
    size: file.size,
    signal,
    onWait: onLoaded,
  });
  if (part) {
    try {
      await fill(part, client, storage, wanted, onLoaded);
    } finally {
      await part.release();
    }
  }
  await storage.link(repo, commit, file.path, file.checksum);
}

/** Receives what is missing and checks the whole. What an earlier download left may be damaged: then once more. */
async function fill(
  part: PartialBlob,
  client: HubClient,
  storage: HubStorage,
  wanted: Wanted,
  onLoaded: (loaded: number) => void,
): Promise<void> {
  const { repo, file } = wanted;
  for (;;) {
    if (part.loaded > file.size) await part.restart();
    const inherited = part.loaded > 0;
    onLoaded(part.loaded);
    const checksum = await receive(part, client, storage, wanted, onLoaded);
    const actual = checksum.digest();
    if (actual === file.checksum) return part.complete();
    if (!inherited) {
      await part.discard();
      const { algorithm } = checksum;
      throw new ChecksumError({ repo, path: file.path, algorithm, expected: file.checksum, actual });
    }
    await part.restart();
  }
}

/** Receives the bytes that are missing. @returns the checksum of all */
async function receive(
  part: PartialBlob,
  client: HubClient,
  storage: HubStorage,
  { repo, commit, file }: Wanted,
  onLoaded: (loaded: number) => void,
) {
  const { path, size } = file;
  const url = fileUrl(client, repo, commit, path);
  const newChecksum = () => createChecksum(file.checksum, size, storage.createHash);
  let checksum = newChecksum();
  for await (const bytes of part.read()) checksum.update(bytes);
  let furthest = part.loaded;
  let entityTag: string | null = null;
  let resumable = true;
  const startOver = async () => {
    await part.restart();
    checksum = newChecksum();
  };
  try {
    await withRetries(client, async (progressed) => {
      while (part.loaded < size) {
        const answer = await request(
          client,
          url,
          { repo, revision: commit, path },
          { headers: part.loaded > 0 ? { range: `bytes=${part.loaded}-` } : {}, accept: [416] },
        );
        const { status, headers } = answer.response;
        const changed = entityTag !== null && headers.get('etag') !== entityTag;
        entityTag = headers.get('etag');
        if (part.loaded > 0 && status === 200) {
          // The whole file comes, whatever range was asked for.
          resumable = false;
          await startOver();
        } else if (status === 206 && changed) {
          // What is there is of another version.
          answer.cancel();
          await startOver();
          continue;
        }
        assertIsFile(answer, url, file, part.loaded);
        for await (const bytes of answer.body) {
          if (part.loaded + bytes.length > size) {
            throw new HubResponseError(
              url,
              `it sends more than the ${size} bytes that its list of files says`,
            );
          }
          await part.append(bytes);
          checksum.update(bytes);
          if (part.loaded > furthest) {
            furthest = part.loaded;
            progressed();
          }
          onLoaded(part.loaded);
        }
        if (part.loaded < size) throw new HubUnreachableError(client.endpoint, 'the connection was closed');
      }
    });
  } catch (cause) {
    if (!HubUnreachableError.is(cause) || furthest === 0) throw cause;
    const state = { repo, path, loaded: part.loaded, total: size };
    throw new DownloadInterruptedError(state, cause.reason, resumable, { cause });
  }
  return checksum;
}

/** Refuses, before it is received, what cannot be the rest of the file from `offset` on. */
function assertIsFile(
  { response, cancel }: HubResponse,
  url: string,
  { size, checksum }: ListedFile,
  offset: number,
): void {
  const refuse = (problem: string) => {
    cancel();
    throw new HubResponseError(url, problem);
  };
  const { status, headers } = response;
  if (status === 416) refuse(`it has less than the ${size} bytes that its list of files says`);
  if (status === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (start !== undefined && Number(start) !== offset)
      refuse(`it sends bytes from ${start} on, asked for those from ${offset} on`);
    if (total !== undefined && total !== '*' && Number(total) !== size)
      refuse(`it has ${total} bytes, its list of files says ${size}`);
  }
  const length = headers.get('content-length');
  const isPlain = asksForPlainBytes() && !headers.has('content-encoding');
  if (length !== null && isPlain && Number(length) !== size - offset)
    refuse(`it announces ${length} bytes, its list of files says ${size - offset}`);
  // The hub names contents by their checksums; a storage that it redirects to has names of its own.
  const name = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\/|"/g, '');
  const isName = !response.redirected && /^[0-9a-f]+$/.test(name) && name.length === checksum.length;
  if (isName && name !== checksum) refuse(`it has another file (${name}) than its list says (${checksum})`);
}

/**
 * Whether requests can ask for uncompressed bytes. Browsers do not let them, and do not always show whether what comes
 * is compressed, and the announced length that of something shorter.
 */
const asksForPlainBytes = () =>
  new Request('https://emulsion.invalid', { headers: { 'accept-encoding': 'identity' } }).headers.has(
    'accept-encoding',
  );
