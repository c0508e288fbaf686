// Files that are there as long as a device is.
import { rmSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files in the system's folder for temporary ones. They are removed with the program at the latest. */
export class TemporaryFiles {
  #folder: Promise<string> | undefined;
  #count = 0;
  #atExit: (() => void) | undefined;

  /** Writes a new file. @returns its path */
  async write(parts: readonly Uint8Array[]): Promise<string> {
    this.#folder ??= this.#create();
    const path = join(await this.#folder, `${this.#count++}`);
    const file = await open(path, 'wx');
    try {
      for (const part of parts) await file.writeFile(part);
    } finally {
      await file.close();
    }
    return path;
  }

  async #create(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'emulsion-'));
    this.#atExit = () => rmSync(folder, { recursive: true, force: true });
    process.once('exit', this.#atExit);
    return folder;
  }

  /** Removes all that was written. */
  async remove(): Promise<void> {
    const folder = await this.#folder;
    if (folder === undefined) return;
    this.#folder = undefined;
    if (this.#atExit) process.off('exit', this.#atExit);
    await rm(folder, { recursive: true, force: true });
  }
}
