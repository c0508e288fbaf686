// What Hugging Face's libraries take from the environment: where the cache is, which hub, which token, and whether to be
// offline. https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HubOptions } from '@emulsion/hub';
import { fileStorage } from './file-storage.ts';

/** Variables of the environment by name. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The settings of a hub from the environment: the cache in `HF_HUB_CACHE`, or `hub` below `HF_HOME`, or below
 * `~/.cache/huggingface`; `HF_ENDPOINT`; `HF_TOKEN`, or the token that `hf auth login` has stored; `HF_HUB_OFFLINE`.
 * `openHubFolder('owner/name', await hubEnvironment())` has a model where Python has it.
 */
export async function hubEnvironment(
  environment: Environment = process.env,
): Promise<Pick<HubOptions, 'storage' | 'endpoint' | 'token' | 'localFilesOnly'>> {
  const variable = (name: string) => environment[name]?.trim() || undefined; // an empty one is none
  const isOn = (name: string) => /^(?:1|on|yes|true)$/i.test(variable(name) ?? '');
  const path = (name: string) => {
    const value = variable(name);
    return value && expand(value, environment);
  };
  const home = path('HF_HOME') ?? join(path('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  const cache = path('HF_HUB_CACHE') ?? path('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub');
  const stored = () => readFile(path('HF_TOKEN_PATH') ?? join(home, 'token'), 'utf8').catch(() => '');
  const token = variable('HF_TOKEN') ?? variable('HUGGING_FACE_HUB_TOKEN') ?? (await stored()).trim();
  return {
    storage: fileStorage(cache, { symlinks: !isOn('HF_HUB_DISABLE_SYMLINKS') }),
    endpoint: variable('HF_ENDPOINT'),
    token: token === '' ? undefined : token,
    localFilesOnly: isOn('HF_HUB_OFFLINE') || isOn('TRANSFORMERS_OFFLINE'),
  };
}

/** A path with `~` and variables in it, as a shell would write it out. */
const expand = (path: string, environment: Environment): string =>
  path
    .replace(/^~(?=$|[/\\])/, homedir())
    .replaceAll(/\$(\w+)|\$\{([^}]*)\}/g, (text, bare, braced) => environment[bare ?? braced] ?? text);
