// What a caller is told while files are downloaded.

/** A download goes on. The first event of a file comes before its first byte, the last one when it is checked and kept. */
export interface DownloadEvent {
  readonly repo: string;
  /** Path of the file in the repository. */
  readonly file: string;
  /** Bytes of the file that are there, and its size. */
  readonly loaded: number;
  readonly total: number;
  /** Files that were downloaded for this folder, and that were asked for so far. */
  readonly filesLoaded: number;
  readonly filesTotal: number;
  /** The same in bytes. */
  readonly bytesLoaded: number;
  readonly bytesTotal: number;
}

/** Milliseconds between two events of a file. */
const interval = 100;

/** Follows the downloads of one folder. */
export interface Progress {
  /** Follows a download: `loaded` is called for each piece of the file, `done` at its end, whether well or not. */
  begin(file: string, total: number): { loaded(bytes: number): void; done(well: boolean): void };
}

export function createProgress(
  repo: string,
  onProgress: ((event: DownloadEvent) => void) | undefined,
): Progress {
  const files = new Map<string, { loaded: number; total: number; done: boolean }>();
  return {
    begin(file, total) {
      let reported = Number.NEGATIVE_INFINITY;
      const report = () => {
        reported = performance.now();
        const all = [...files.values()];
        const sum = (of: (entry: { loaded: number; total: number; done: boolean }) => number) =>
          all.reduce((result, entry) => result + of(entry), 0);
        onProgress?.({
          repo,
          file,
          loaded: files.get(file)?.loaded ?? 0,
          total,
          filesLoaded: sum(({ done }) => Number(done)),
          filesTotal: all.length,
          bytesLoaded: sum(({ loaded }) => loaded),
          bytesTotal: sum((entry) => entry.total),
        });
      };
      return {
        loaded(bytes) {
          files.set(file, { loaded: bytes, total, done: false });
          if (performance.now() - reported >= interval) report();
        },
        done(well) {
          // A file that turned out to be here already was never reported, and is not.
          if (!files.has(file)) return;
          if (!well) {
            files.delete(file);
            return;
          }
          files.set(file, { loaded: total, total, done: true });
          report();
        },
      };
    },
  };
}
