// The names that a hub gives to repositories, revisions and files. They become names of files here, so they are checked.
import { resolvePath } from '@emulsion/checkpoints';
import { InvalidArgumentError } from '@emulsion/tensor';

const part = /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;

/**
 * Whether `text` can be the name of a repository: an owner, a slash and a name, of letters, digits, `-`, `_` and `.`
 * by the hub's rules.
 */
export function isRepoId(text: string): boolean {
  const parts = text.split('/');
  return (
    parts.length === 2 &&
    parts.every((name) => name.length <= 96 && part.test(name)) &&
    !/--|\.\.|\.git$/.test(text)
  );
}

/** @throws {InvalidArgumentError} if `repo` cannot be the name of a repository */
export function assertRepoId(repo: string): void {
  if (isRepoId(repo)) return;
  throw new InvalidArgumentError(
    `${JSON.stringify(repo)} is not the name of a model on a hub. Give its owner and name, as in "owner/name".`,
  );
}

/** @throws {InvalidArgumentError} if `revision` cannot be the name of a branch, a tag or a commit */
export function assertRevision(repo: string, revision: string): void {
  if (isPlainPath(revision)) return;
  throw new InvalidArgumentError(
    `${repo}: ${JSON.stringify(revision)} is not the name of a revision. Give a branch, a tag or a commit.`,
  );
}

/** Whether a revision is the full name of a commit, which always means the same files. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

/** Whether `path` names one place in a folder, and names it in the one way. */
export function isPlainPath(path: string): boolean {
  try {
    return resolvePath('', path) === path;
  } catch {
    return false;
  }
}

/** The folder of a repository in the cache: `models--owner--name`. */
export const repoFolderName = (repo: string): string => `models--${repo.replace('/', '--')}`;

/** The repository whose folder in the cache has this name; undefined for folders of other things. */
export function repoOfFolderName(name: string): string | undefined {
  const id = /^models--(.+)--(.+)$/.exec(name)?.slice(1).join('/');
  return id !== undefined && isRepoId(id) ? id : undefined;
}
