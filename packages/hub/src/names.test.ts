import { expect, test } from 'vitest';
import { isRepoId, repoFolderName, repoOfFolderName } from './names.ts';

test('the names of models on a hub are an owner and a name', () => {
  for (const name of [
    'stabilityai/sdxl-turbo',
    'a/b',
    '_x/y.z_1',
    'stable-diffusion-v1-5/stable-diffusion-v1-5',
  ])
    expect(isRepoId(name)).toBe(true);
  for (const path of [
    'a',
    'a/b/c',
    '/a/b',
    'a/',
    './a',
    '../a',
    '~/a',
    'C:\\a/b',
    '-a/b',
    'a/b.',
    'a/b--c',
    '',
  ])
    expect(isRepoId(path)).toBe(false);
  expect(isRepoId(`a/${'b'.repeat(97)}`)).toBe(false);
});

test('the folder of a model in the cache has its name, and other folders have none', () => {
  expect(repoFolderName('owner/my-name')).toBe('models--owner--my-name');
  expect(repoOfFolderName('models--owner--my-name')).toBe('owner/my-name');
  for (const folder of ['datasets--owner--name', 'models--gpt2', 'models--a--b--c', '.locks', 'version.txt'])
    expect(repoOfFolderName(folder)).toBeUndefined();
});
