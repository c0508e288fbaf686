// A model hub for tests: the routes, headers and redirects of the Hugging Face hub, and on demand its faults.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** A model on the hub. */
export interface ServedModel {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Commits by the names of branches and tags. */
  readonly revisions: Readonly<Record<string, string>>;
  /** Gated: files only for these tokens. Private: nothing at all for others. */
  readonly gated?: readonly string[];
  readonly private?: readonly string[];
}

/** A request that came. */
export interface ServedRequest {
  /** Path with its query, decoded. */
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Whether it came to the storage that large files are redirected to. */
  readonly storage: boolean;
  /** How many requests for the same path came before. */
  readonly earlier: number;
  /** Bytes of the body that were sent. */
  sent: number;
}

/** What is done wrong with a request. */
export interface Fault {
  /** Never answers. */
  readonly silent?: boolean;
  /** Refuses with this status. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another body. */
  readonly content?: Buffer;
  /** The connection breaks after so many bytes of the body. */
  readonly breakAfter?: number;
  /** Nothing comes any more after so many bytes of the body, but the connection stays. */
  readonly stallAfter?: number;
  /** The length that the header says. */
  readonly announce?: number;
  /** The body comes without a length. */
  readonly chunked?: boolean;
  readonly ignoreRange?: boolean;
  readonly gzip?: boolean;
  /** Milliseconds between pieces of 16 KiB. */
  readonly slowness?: number;
}

export interface HubServer {
  readonly endpoint: string;
  readonly models: Map<string, ServedModel>;
  readonly requests: ServedRequest[];
  /** Bytes of the bodies of files that were sent. */
  sentOf(file: string): number;
  /** What goes wrong; nothing unless set. */
  fault: (request: ServedRequest) => Fault | undefined;
  /** Files on a page of a list. */
  pageSize: number;
  close(): Promise<void>;
}

const hash = (algorithm: string, ...parts: (string | Buffer)[]) =>
  parts.reduce((result, bytes) => result.update(bytes), createHash(algorithm)).digest('hex');

/** The checksum under which the hub lists a file: SHA-256 of a large one, git's of another. */
export const checksumOf = (path: string, bytes: Buffer): string =>
  isLarge(path) ? hash('sha256', bytes) : hash('sha1', `blob ${bytes.length}\0`, bytes);

const isLarge = (path: string) => path.endsWith('.safetensors');

const exposedHeaders =
  'X-Repo-Commit, X-Error-Code, X-Error-Message, ETag, Link, Accept-Ranges, Content-Range, X-Linked-Size, X-Linked-ETag';

/** A model whose files are those of a folder; its commit is made of their contents. */
export async function modelFromFolder(folder: string): Promise<ServedModel> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(folder, path).split(sep).join('/'), await readFile(path));
  }
  return modelOf(files);
}

/** A model whose files are given. */
export function modelOf(files: ReadonlyMap<string, Buffer>): ServedModel {
  const commit = hash('sha1', ...[...files].flat());
  return { files, revisions: { main: commit } };
}

/** Starts a hub on this machine. Large files are redirected to a second server, as to the storage of the real hub. */
export async function startHubServer(models: Readonly<Record<string, ServedModel>>): Promise<HubServer> {
  const requests: ServedRequest[] = [];
  const listener = (storage: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    // Pages may ask, as they may on the real hub.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'authorization, range');
    response.setHeader('access-control-expose-headers', exposedHeaders);
    response.setHeader('cross-origin-resource-policy', 'cross-origin');
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }
    const path = decodeURIComponent(request.url ?? '');
    const served: ServedRequest = {
      path,
      range: request.headers.range,
      authorization: request.headers.authorization,
      storage,
      earlier: requests.filter((other) => other.path === path && other.storage === storage).length,
      sent: 0,
    };
    requests.push(served);
    const fault = hub.fault(served) ?? {};
    if (fault.silent) return;
    answer(served, response, fault).catch((error: unknown) => response.destroy(error as Error)); // it is one
  };
  const front = createServer(listener(false));
  const back = createServer(listener(true));
  const [endpoint, storageAddress] = [await listen(front), await listen(back)];
  const hub: HubServer = {
    endpoint,
    models: new Map(Object.entries(models)),
    requests,
    sentOf: (file) =>
      requests.filter(({ path }) => path.endsWith(`/${file}`)).reduce((sum, { sent }) => sum + sent, 0),
    fault: () => undefined,
    pageSize: 1000,
    async close() {
      for (const server of [front, back]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  return hub;

  async function answer(request: ServedRequest, response: ServerResponse, fault: Fault): Promise<unknown> {
    if (fault.status !== undefined) return response.writeHead(fault.status, fault.headers).end(fault.content);
    const refuse = (status: number, code: string, message = code) =>
      response.writeHead(status, { 'x-error-code': code, 'x-error-message': message }).end();
    const [, api, id, route, rest] =
      /^(\/api\/models)?\/([^/]+\/[^/]+)\/(revision|tree|resolve)\/(.+)$/.exec(request.path) ?? [];
    const model = id === undefined ? undefined : hub.models.get(id);
    const token = request.authorization?.replace('Bearer ', '');
    const known = [...hub.models.values()].flatMap((one) => [...(one.gated ?? []), ...(one.private ?? [])]);
    if (!request.storage && token !== undefined && !['guest', ...known].includes(token))
      return response
        .writeHead(401, { 'x-error-message': 'Invalid credentials in Authorization header' })
        .end();
    const hidden = !request.storage && model?.private && !model.private.includes(token ?? '');
    if (!model || hidden) return refuse(token === undefined ? 401 : 404, 'RepoNotFound');
    if (api && id && route) return list(model, id, route, rest ?? '', request, response, refuse);

    const [, commit = '', path = ''] = /^([^/]+)\/(.+)$/.exec(rest ?? '') ?? [];
    const file = model.files.get(path);
    if (!Object.values(model.revisions).includes(commit)) return refuse(404, 'RevisionNotFound');
    if (!request.storage && model.gated && !model.gated.includes(token ?? ''))
      return refuse(token === undefined ? 401 : 403, 'GatedRepo', `Access to model ${id} is restricted.`);
    if (!file) return refuse(404, 'EntryNotFound');
    const checksum = checksumOf(path, file);
    if (!request.storage && isLarge(path)) {
      const headers = {
        location: storageAddress + encodeURI(request.path),
        'x-repo-commit': commit,
        'x-linked-etag': `"${checksum}"`,
        'x-linked-size': `${file.length}`,
      };
      return response.writeHead(302, headers).end();
    }
    const etag = request.storage ? `"storage-${checksum.slice(0, 8)}"` : `"${checksum}"`;
    const headers = { etag, 'x-repo-commit': commit, ...fault.headers };
    return sendFile(fault.content ?? file, headers, request, response, fault);
  }

  function list(
    model: ServedModel,
    id: string,
    route: string,
    rest: string,
    request: ServedRequest,
    response: ServerResponse,
    refuse: (status: number, code: string) => unknown,
  ): unknown {
    const { pathname, searchParams } = new URL(rest, 'http://hub/');
    const name = pathname.slice(1);
    const commits = Object.values(model.revisions);
    const commit = model.revisions[name] ?? commits.find((candidate) => candidate === name);
    if (commit === undefined) return refuse(404, 'RevisionNotFound');
    const json = (value: unknown, headers = {}) =>
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    if (route === 'revision') {
      const siblings = [...model.files.keys()].map((rfilename) => ({ rfilename }));
      const { gated = false } = model;
      return json({ id, sha: commit, private: false, gated: gated && 'manual', tags: [], siblings });
    }
    const folders = new Set(
      [...model.files.keys()].flatMap((path) => (path.includes('/') ? [path.split('/')[0]!] : [])),
    );
    const items = [
      ...[...folders].map((path) => ({ type: 'directory', oid: hash('sha1', path), size: 0, path })),
      ...[...model.files].map(([path, bytes]) => ({
        type: 'file',
        oid: isLarge(path) ? hash('sha1', path) : checksumOf(path, bytes),
        size: bytes.length,
        path,
        ...(isLarge(path) && {
          lfs: { oid: checksumOf(path, bytes), size: bytes.length, pointerSize: 134 },
          xetHash: hash('sha256', path),
        }),
      })),
    ];
    const start = Number(searchParams.get('cursor') ?? 0);
    const end = start + hub.pageSize;
    const next = `${hub.endpoint}${request.path.split('?')[0]}?recursive=true&cursor=${end}`;
    return json(items.slice(start, end), end < items.length ? { link: `<${next}>; rel="next"` } : {});
  }
}

async function sendFile(
  file: Buffer,
  headers: Record<string, string>,
  request: ServedRequest,
  response: ServerResponse,
  { ignoreRange, announce, chunked, gzip, breakAfter, stallAfter, slowness }: Fault,
): Promise<unknown> {
  const start = ignoreRange ? undefined : /^bytes=(\d+)-$/.exec(request.range ?? '')?.[1];
  const offset = Number(start ?? 0);
  if (start !== undefined && offset >= file.length)
    return response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
  const body = gzip ? gzipSync(file) : file.subarray(offset);
  response.writeHead(start === undefined ? 200 : 206, {
    ...headers,
    ...(gzip && { 'content-encoding': 'gzip' }),
    ...(!gzip && !chunked && { 'content-length': `${announce ?? body.length}` }),
    ...(start !== undefined && { 'content-range': `bytes ${offset}-${file.length - 1}/${file.length}` }),
  });
  const end = Math.min(body.length, breakAfter ?? stallAfter ?? body.length);
  for (let done = 0; done < end && !response.destroyed; ) {
    const piece = body.subarray(done, Math.min(end, done + 16384));
    await new Promise((resolve) => response.write(piece, resolve));
    done += piece.length;
    request.sent += piece.length;
    if (slowness) await delay(slowness);
  }
  if (stallAfter !== undefined) return undefined;
  if (breakAfter === undefined) return response.end();
  // What was written arrives before the connection goes.
  await delay(20);
  return response.destroy();
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // of a server that listens on a port
  return `http://127.0.0.1:${port}`;
}
