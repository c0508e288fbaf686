// What can go wrong between a model on a hub and its files here.
import { EmulsionError } from '@emulsion/tensor';

/** The hub has no such repository, or hides it: it answers the same for a misspelt name and for a private one. */
export class RepositoryNotFoundError extends EmulsionError {
  static override readonly className = 'RepositoryNotFoundError';
  readonly repo: string;
  readonly endpoint: string;

  constructor(repo: string, endpoint: string, withToken: boolean, options?: ErrorOptions) {
    const hidden = withToken ? 'or the token does not give access to it' : 'or it is private';
    const advice = withToken
      ? 'Check the spelling, and the rights of the token.'
      : 'Check the spelling; for a private one give a token (HF_TOKEN).';
    super(`${repo}: ${endpoint} has no such model, ${hidden}. ${advice}`, options);
    this.repo = repo;
    this.endpoint = endpoint;
  }
}

/** The repository is there, but its owner asks for something before its files are given out. */
export class GatedRepositoryError extends EmulsionError {
  static override readonly className = 'GatedRepositoryError';
  readonly repo: string;
  /** The page on which access is asked for. */
  readonly page: string;

  constructor(repo: string, endpoint: string, withToken: boolean, options?: ErrorOptions) {
    const page = `${endpoint}/${repo}`;
    super(
      withToken
        ? `${repo}: this model is gated, and the account of the token has no access yet. Ask for it on ${page}, or give the token of an account that has it.`
        : `${repo}: this model is gated. Ask for access on ${page}, then give a token of that account (HF_TOKEN; ${endpoint}/settings/tokens).`,
      options,
    );
    this.repo = repo;
    this.page = page;
  }
}

/** The hub does not know the token. */
export class InvalidTokenError extends EmulsionError {
  static override readonly className = 'InvalidTokenError';
  readonly endpoint: string;

  constructor(endpoint: string, options?: ErrorOptions) {
    super(
      `${endpoint} refuses the token: it is wrong, or no longer valid. Make another on ${endpoint}/settings/tokens, or leave it out for public models.`,
      options,
    );
    this.endpoint = endpoint;
  }
}

/** The repository has no such branch, tag or commit. */
export class RevisionNotFoundError extends EmulsionError {
  static override readonly className = 'RevisionNotFoundError';
  readonly repo: string;
  readonly revision: string;

  constructor(repo: string, revision: string, options?: ErrorOptions) {
    super(
      `${repo}: it has no revision "${revision}". Give a branch, a tag or a commit that it has; "main" is the usual one.`,
      options,
    );
    this.repo = repo;
    this.revision = revision;
  }
}

/** Something is wanted from the cache alone, and the cache does not have it. */
export class NotCachedError extends EmulsionError {
  static override readonly className = 'NotCachedError';
  readonly repo: string;
  /** The file that is missing; without it nothing is known of the revision. */
  readonly path: string | undefined;

  constructor(
    { repo, revision, path }: { repo: string; revision: string; path?: string },
    cache: Named,
    options?: ErrorOptions,
  ) {
    const what =
      path === undefined
        ? `${repo}: its revision "${revision}"`
        : `${repo}: its file "${path}" (${revision})`;
    super(
      `${what} is not in the cache (${cache.name}), and nothing may be downloaded. Load it once while online, without localFilesOnly.`,
      options,
    );
    this.repo = repo;
    this.path = path;
  }
}

/** The server cannot be reached at all. */
export class HubUnreachableError extends EmulsionError {
  static override readonly className = 'HubUnreachableError';
  readonly endpoint: string;
  /** What the system said. */
  readonly reason: string;

  constructor(endpoint: string, reason: string, options?: ErrorOptions) {
    super(
      `${endpoint} cannot be reached (${reason}), and the cache does not have what is wanted. Check the connection, and the address if it was given (HF_ENDPOINT).`,
      options,
    );
    this.endpoint = endpoint;
    this.reason = reason;
  }
}

/** The server is there, but asks to come back later or is out of order. */
export class HubBusyError extends EmulsionError {
  static override readonly className = 'HubBusyError';
  readonly endpoint: string;
  readonly status: number;
  /** Seconds after which the server wants to be asked again, where it said so. */
  readonly retryAfter: number | undefined;

  constructor(endpoint: string, status: number, retryAfter: number | undefined, options?: ErrorOptions) {
    const what =
      status === 429 ? 'refuses more requests for now (429)' : `is out of order (it answered ${status})`;
    const wait = retryAfter === undefined ? 'later' : `in ${retryAfter} seconds`;
    super(
      `${endpoint} ${what}, also after several tries. Try again ${wait}${status === 429 ? ', or with a token' : ''}.`,
      options,
    );
    this.endpoint = endpoint;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** A download broke off, and trying again brought no more of it. What has come is kept. */
export class DownloadInterruptedError extends EmulsionError {
  static override readonly className = 'DownloadInterruptedError';
  readonly repo: string;
  readonly path: string;
  /** Bytes that are there, of `total`. */
  readonly loaded: number;
  readonly total: number;

  /**
   * @param reason what happened to the connection
   * @param resumable whether the server can send the rest of a file
   */
  constructor(
    { repo, path, loaded, total }: { repo: string; path: string; loaded: number; total: number },
    reason: string,
    resumable: boolean,
    options?: ErrorOptions,
  ) {
    const advice = resumable
      ? 'Start again; it goes on from where it was.'
      : 'The server ignores ranges, so that every try begins anew: use a better connection or another server.';
    super(
      `${repo}/${path}: the download broke off at ${loaded} of ${total} bytes (${reason}). ${advice}`,
      options,
    );
    this.repo = repo;
    this.path = path;
    this.loaded = loaded;
    this.total = total;
  }
}

/** What the server sent is not what a hub sends: a proxy's page, a wrong length, another file. */
export class HubResponseError extends EmulsionError {
  static override readonly className = 'HubResponseError';
  readonly url: string;
  /** What is wrong with the response. */
  readonly problem: string;

  constructor(url: string, problem: string, options?: ErrorOptions) {
    super(
      `${url}: ${problem}. Check that this is a model hub and that no proxy stands before it, then try again.`,
      options,
    );
    this.url = url;
    this.problem = problem;
  }
}

/** A file arrived whole, but it is not the file that the repository lists. It is not kept. */
export class ChecksumError extends EmulsionError {
  static override readonly className = 'ChecksumError';
  readonly repo: string;
  readonly path: string;
  readonly expected: string;
  readonly actual: string;

  constructor(
    {
      repo,
      path,
      algorithm,
      expected,
      actual,
    }: { repo: string; path: string; algorithm: string; expected: string; actual: string },
    options?: ErrorOptions,
  ) {
    super(
      `${repo}/${path}: what was downloaded is damaged: its ${algorithm} is ${actual}, not ${expected}. It was removed; try again.`,
      options,
    );
    this.repo = repo;
    this.path = path;
    this.expected = expected;
    this.actual = actual;
  }
}

/** Anything with a name for messages; a storage is one. */
interface Named {
  readonly name: string;
}

/** The cache cannot be written to: no permission, a read-only or broken disk. */
export class StorageError extends EmulsionError {
  static override readonly className = 'StorageError';
  readonly storage: string;

  /** @param reason what the system said */
  constructor(storage: Named, reason: string, advice: string, options?: ErrorOptions) {
    super(`The cache of models (${storage.name}) cannot be written to (${reason}). ${advice}`, options);
    this.storage = storage.name;
  }
}

/** There is no room for a file in the cache. */
export class StorageFullError extends EmulsionError {
  static override readonly className = 'StorageFullError';
  readonly storage: string;
  /** Bytes that are still to be written, and bytes that are free where that is known. */
  readonly needed: number;
  readonly free: number | undefined;

  constructor(storage: Named, needed: number, free: number | undefined, options?: ErrorOptions) {
    const left = free === undefined ? 'it is full' : `${megabytes(free)} are free`;
    super(
      `The cache of models (${storage.name}) has no room for ${megabytes(needed)} more: ${left}. Free some, or put the cache somewhere else.`,
      options,
    );
    this.storage = storage.name;
    this.needed = needed;
    this.free = free;
  }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
