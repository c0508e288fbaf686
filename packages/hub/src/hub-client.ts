// Requests to a hub: its addresses, its errors, and patience with the network.
import { MissingFileError } from '@emulsion/checkpoints';
import { InvalidArgumentError } from '@emulsion/tensor';
import {
  GatedRepositoryError,
  HubBusyError,
  HubResponseError,
  HubUnreachableError,
  InvalidTokenError,
  RepositoryNotFoundError,
  RevisionNotFoundError,
} from './errors.ts';

/** How a hub is reached. */
export interface HubClientOptions {
  /** Address of the hub, or of a server with its routes; https://huggingface.co unless said otherwise. */
  readonly endpoint?: string | undefined;
  /** For private and gated models. It is sent to the endpoint alone, not to where that redirects to. */
  readonly token?: string | undefined;
  /** Stops what is under way, with the signal's reason. What was downloaded is kept. */
  readonly signal?: AbortSignal | undefined;
  /** How often a request is repeated that brought nothing new, after 429, 5xx or a broken connection; 5. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds before the first repetition; each further one waits twice as long. 500. */
  readonly retryDelay?: number | undefined;
  /** Milliseconds without a byte after which a connection counts as broken; 30 000. */
  readonly stallTimeout?: number | undefined;
  /** What makes the requests: the platform's `fetch`, or one that goes through a proxy. */
  readonly fetch?: typeof fetch | undefined;
}

/** The same, with nothing left open. */
export interface HubClient {
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly maxRetries: number;
  readonly retryDelay: number;
  readonly stallTimeout: number;
  readonly fetch: typeof fetch;
}

/** @throws {InvalidArgumentError} if the endpoint is not a web address */
export function createHubClient(options: HubClientOptions = {}): HubClient {
  const endpoint = (options.endpoint ?? 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    throw new InvalidArgumentError(
      `The endpoint ${JSON.stringify(endpoint)} is not a web address. Give one such as "https://huggingface.co".`,
    );
  }
  return {
    endpoint,
    token: options.token,
    signal: options.signal,
    maxRetries: options.maxRetries ?? 5,
    retryDelay: options.retryDelay ?? 500,
    stallTimeout: options.stallTimeout ?? 30_000,
    fetch: options.fetch ?? fetch,
  };
}

/** What a request is about; its errors say so. */
export interface Subject {
  readonly repo: string;
  readonly revision: string;
  readonly path?: string;
}

/** An answer whose body has not been read yet. */
export interface HubResponse {
  readonly response: Response;
  /** The body; throws a `HubUnreachableError` where the connection breaks or nothing comes for too long. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the connection up. */
  cancel(): void;
}

/**
 * Makes one request, once.
 * @param accept statuses, beside the successful ones, that are no error to the caller
 * @throws {HubUnreachableError} {HubBusyError} and what the hub's refusals mean
 */
export async function request(
  client: HubClient,
  url: string,
  subject: Subject,
  { headers = {}, accept = [] }: { headers?: Record<string, string>; accept?: readonly number[] } = {},
): Promise<HubResponse> {
  // Not called as a method: a browser's fetch wants no other owner than the page.
  const { endpoint, token, signal, fetch } = client;
  signal?.throwIfAborted();
  const watchdog = createWatchdog(client.stallTimeout);
  /** What a failure of the connection is to the caller. */
  const failure = (error: unknown) => {
    watchdog.stop();
    if (signal?.aborted) return signal.reason;
    const reason = watchdog.signal.aborted ? `no answer for ${client.stallTimeout} ms` : reasonOf(error);
    return new HubUnreachableError(endpoint, reason, { cause: error });
  };
  let response: Response;
  try {
    response = await fetch(url, {
      headers: {
        ...headers,
        // Lengths and ranges are of the file itself; browsers decide about this on their own.
        'accept-encoding': 'identity',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal: signal ? AbortSignal.any([signal, watchdog.signal]) : watchdog.signal,
    });
  } catch (error) {
    throw failure(error);
  }
  const cancel = () => {
    watchdog.stop();
    response.body?.cancel().catch(() => {}); // it is broken already, then
  };
  if (!response.ok && !accept.includes(response.status)) {
    cancel();
    throw refusal(response, client, subject);
  }
  async function* body() {
    const reader = response.body?.getReader();
    try {
      for (;;) {
        watchdog.reset();
        const next = await reader?.read().catch((error: unknown) => {
          throw failure(error);
        });
        if (!next || next.done) return;
        watchdog.stop();
        yield next.value;
      }
    } finally {
      watchdog.stop();
      reader?.cancel().catch(() => {}); // it is broken already, then
    }
  }
  return { response, body: body(), cancel };
}

/** The JSON of an answer, with repetitions. @throws as `request`, and {HubResponseError} if it is not JSON */
export function requestJson(
  client: HubClient,
  url: string,
  subject: Subject,
): Promise<{ json: unknown; headers: Headers }> {
  return withRetries(client, async () => {
    const { response, body } = await request(client, url, subject);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of body) chunks.push(new Uint8Array(chunk));
    const text = await new Blob(chunks).text();
    try {
      return { json: JSON.parse(text), headers: response.headers };
    } catch (cause) {
      throw new HubResponseError(url, 'its answer is not JSON', { cause });
    }
  });
}

/** Longer than this nobody waits for a server that asks to be left alone. */
const longestWait = 60;

/**
 * Does something again, after a growing pause, while it fails in a way that may pass.
 * @param attempt is given a function to call when it got further than ever before: patience begins anew
 */
export async function withRetries<T>(
  { maxRetries, retryDelay, signal }: HubClient,
  attempt: (progressed: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      const retryAfter = HubBusyError.is(error) ? error.retryAfter : undefined;
      const passes = HubUnreachableError.is(error) || HubBusyError.is(error);
      if (!passes || failures >= maxRetries || (retryAfter ?? 0) > longestWait) throw error;
      // Between half and all of the pause, so that many clients do not come back at the same moment.
      const pause = retryDelay * 2 ** failures * (0.5 + Math.random() / 2);
      failures++;
      await delay(Math.max(Math.min(pause, 10_000), (retryAfter ?? 0) * 1000), signal);
    }
  }
}

/** Waits, unless and until it is aborted. */
export function delay(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** A signal that aborts when it has not been reset for a while. */
function createWatchdog(timeout: number) {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => clearTimeout(timer);
  const reset = () => {
    stop();
    timer = setTimeout(() => controller.abort(), timeout);
  };
  reset();
  return { signal: controller.signal, reset, stop };
}

/** What the platform says about a failed connection: a code such as ECONNREFUSED, or a sentence. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return String(inner);
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : '';
  return code && !code.startsWith('UND_') ? code : inner.message;
}

/** The error that a refusal means. The hub says it in `X-Error-Code`; other servers only have the status. */
function refusal(response: Response, { endpoint, token }: HubClient, subject: Subject): Error {
  const { repo, revision, path } = subject;
  const { status, headers } = response;
  const withToken = token !== undefined;
  const message = headers.get('x-error-message') ?? response.statusText;
  switch (headers.get('x-error-code')) {
    case 'RepoNotFound':
      return new RepositoryNotFoundError(repo, endpoint, withToken);
    case 'GatedRepo':
      return new GatedRepositoryError(repo, endpoint, withToken);
    case 'RevisionNotFound':
      return new RevisionNotFoundError(repo, revision);
  }
  if (status === 408 || status === 429 || status >= 500)
    return new HubBusyError(endpoint, status, retryAfterOf(headers));
  if (status === 401) {
    return withToken
      ? new InvalidTokenError(endpoint)
      : new RepositoryNotFoundError(repo, endpoint, withToken);
  }
  if (status === 403 && !/disabled/i.test(message))
    return new GatedRepositoryError(repo, endpoint, withToken);
  if (status === 404) {
    if (path !== undefined)
      return new MissingFileError({ name: repo }, path, 'The hub lists it all the same.');
    return revision === 'main'
      ? new RepositoryNotFoundError(repo, endpoint, withToken)
      : new RevisionNotFoundError(repo, revision);
  }
  return new HubResponseError(response.url, `it answered ${status}${message && ` (${message})`}`);
}

/** Seconds after which a server wants to be asked again: `Retry-After`, or the reset time of the hub's `RateLimit`. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

/** The address of a file's contents at a commit. */
export const fileUrl = ({ endpoint }: HubClient, repo: string, commit: string, path: string): string =>
  `${endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;

/** The address at which the hub's interface tells something about a model. */
export const apiUrl = ({ endpoint }: HubClient, repo: string, what: string, revision: string): string =>
  `${endpoint}/api/models/${repo}/${what}/${encodeURIComponent(revision)}`;
