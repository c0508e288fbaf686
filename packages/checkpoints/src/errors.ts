// What can be wrong with the files of a model.
import { EmulsionError } from '@emulsion/tensor';

/** Anything with a name for messages; a Folder is one. */
interface Named {
  readonly name: string;
}

/** A file that a model needs is not there. */
export class MissingFileError extends EmulsionError {
  static override readonly className = 'MissingFileError';
  readonly folder: string;
  readonly path: string;

  constructor(folder: Named, path: string, advice = 'Check the path.', options?: ErrorOptions) {
    super(`${folder.name}: there is no file "${path}". ${advice}`, options);
    this.folder = folder.name;
    this.path = path;
  }
}

/** A model's folder is not there. */
export class MissingFolderError extends EmulsionError {
  static override readonly className = 'MissingFolderError';
  readonly path: string;

  constructor(path: string, options?: ErrorOptions) {
    super(`${path}: there is no such folder. Check the path.`, options);
    this.path = path;
  }
}

/** A file is there, but reading it failed: no permission, a broken disk. */
export class UnreadableFileError extends EmulsionError {
  static override readonly className = 'UnreadableFileError';
  readonly folder: string;
  readonly path: string;

  /** @param reason what the system said */
  constructor(folder: Named, path: string, reason: string, options?: ErrorOptions) {
    super(
      `${folder.name}/${path}: it cannot be read (${reason}). Check its permissions and the disk.`,
      options,
    );
    this.folder = folder.name;
    this.path = path;
  }
}

/** A file is there, but what it holds is not what its format demands: damaged, cut short, or another format. */
export class InvalidFileError extends EmulsionError {
  static override readonly className = 'InvalidFileError';
  readonly folder: string;
  readonly path: string;
  /** What is wrong with it. */
  readonly problem: string;

  constructor(folder: Named, path: string, problem: string, options?: ErrorOptions) {
    super(`${folder.name}/${path}: ${problem}. Download or save the file again.`, options);
    this.folder = folder.name;
    this.path = path;
    this.problem = problem;
  }
}

/** A file is sound, but of a kind that is not read. */
export class UnsupportedFileError extends EmulsionError {
  static override readonly className = 'UnsupportedFileError';
  readonly folder: string;
  readonly path: string;

  constructor(folder: Named, path: string, problem: string, advice: string, options?: ErrorOptions) {
    super(`${folder.name}/${path}: ${problem}. ${advice}`, options);
    this.folder = folder.name;
    this.path = path;
  }
}
