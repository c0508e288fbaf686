// What every cache of models does, whatever it is made of.
import type { HubStorage, PartialBlob } from '@emulsion/hub';
import { beforeEach, describe, expect, test } from 'vitest';

const repo = 'owner/name';
const commit = 'c'.repeat(40);
const blob = 'b'.repeat(64);
const bytes = (...values: number[]) => Uint8Array.from(values);

/** All that a blob has, put together. */
async function contents(part: PartialBlob): Promise<number[]> {
  const result: number[] = [];
  for await (const piece of part.read()) result.push(...piece);
  return result;
}

/**
 * Describes a cache in tests.
 * @param open an empty cache, with a second look at the same place
 */
export function describeStorage(name: string, open: () => Promise<[HubStorage, HubStorage]>): void {
  describe(`the cache of models in ${name}`, () => {
    let storage: HubStorage;
    let other: HubStorage;
    beforeEach(async () => {
      [storage, other] = await open();
    });
    const begin = async (of = storage, size = 6) => {
      const part = await of.openBlob(repo, { blob, size });
      if (!part) throw new Error('the blob is here');
      return part;
    };
    const fill = async () => {
      const part = await begin();
      await part.append(bytes(1, 2, 3));
      await part.append(bytes(4, 5, 6));
      await part.complete();
    };

    test('an empty one has nothing', async () => {
      expect(await storage.readRef(repo, 'main')).toBeUndefined();
      expect(await storage.readFileList(repo, commit)).toBeUndefined();
      expect(await storage.listSnapshot(repo, commit)).toEqual([]);
      expect(await storage.listRepos()).toEqual([]);
      expect(await storage.remove(repo)).toBe(0);
      expect(await storage.snapshot(repo, commit, repo).has('a')).toBe(false);
    });

    test('references and lists are read as they were last written', async () => {
      await storage.writeRef(repo, 'refs/pr/1', 'x'.repeat(40));
      await storage.writeRef(repo, 'refs/pr/1', commit);
      await storage.writeFileList(repo, commit, '{"é": 1}');
      expect(await other.readRef(repo, 'refs/pr/1')).toBe(commit);
      expect(await other.readFileList(repo, commit)).toBe('{"é": 1}');
    });

    test('a blob is a file of a commit once it is complete and linked, in folders too', async () => {
      await fill();
      await storage.link(repo, commit, 'unet/weights é.safetensors', blob);
      await storage.link(repo, commit, 'unet/weights é.safetensors', blob);
      const snapshot = other.snapshot(repo, commit, 'owner/name');
      const unet = snapshot.subfolder('unet');
      expect(await snapshot.has('unet')).toBe(false);
      expect(await unet.has('weights é.safetensors')).toBe(true);
      expect(await unet.size('weights é.safetensors')).toBe(6);
      expect([...(await unet.read('weights é.safetensors'))]).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...(await unet.read('weights é.safetensors', { offset: 2, length: 3 }))]).toEqual([3, 4, 5]);
      expect(['path', 'blob']).toContain((await unet.locate('weights é.safetensors')).kind);
      expect(await other.listSnapshot(repo, commit)).toEqual(['unet/weights é.safetensors']);
      expect(await other.openBlob(repo, { blob, size: 6 })).toBeUndefined();
      await expect(unet.read('weights é.safetensors', { offset: 5, length: 2 })).rejects.toThrow(
        '2 bytes from byte 5 on were asked for, the file has 6',
      );
      await expect(unet.read('no')).rejects.toThrow('owner/name/unet: there is no file "no"');
    });

    test('what is not complete is not seen, and a later download goes on with it', async () => {
      const part = await begin();
      await part.append(bytes(1, 2));
      await part.append(bytes(3, 4));
      expect(part.loaded).toBe(4);
      await part.release();
      await part.release();
      const later = await begin(other);
      expect(later.loaded).toBe(4);
      expect(await contents(later)).toEqual([1, 2, 3, 4]);
      await later.append(bytes(5, 6));
      await later.complete();
      await later.release();
      await other.link(repo, commit, 'a', blob);
      expect([...(await storage.snapshot(repo, commit, repo).read('a'))]).toEqual([1, 2, 3, 4, 5, 6]);
    });

    test('a download begins again, in itself or for the next one', async () => {
      const part = await begin();
      await part.append(bytes(9, 9, 9, 9));
      await part.restart();
      expect(part.loaded).toBe(0);
      expect(await contents(part)).toEqual([]);
      await part.append(bytes(1));
      await part.discard();
      const next = await begin();
      expect(next.loaded).toBe(0);
      await next.append(bytes(1, 2, 3, 4, 5, 6));
      await next.complete();
      await storage.link(repo, commit, 'a', blob);
      expect([...(await storage.snapshot(repo, commit, repo).read('a'))]).toEqual([1, 2, 3, 4, 5, 6]);
    });

    test('a blob of no bytes is a blob', async () => {
      await (await begin(storage, 0)).complete();
      await storage.link(repo, commit, 'empty', blob);
      expect(await storage.snapshot(repo, commit, repo).size('empty')).toBe(0);
    });

    test('a blob whose size is not what it should be is made anew', async () => {
      await fill();
      const part = await begin(storage, 2);
      expect(part.loaded).toBe(0);
      await part.append(bytes(7, 8));
      await part.complete();
      await storage.link(repo, commit, 'a', blob);
      expect([...(await storage.snapshot(repo, commit, repo).read('a'))]).toEqual([7, 8]);
    });

    test('one downloads, the others wait, see how far it is, and have it when it is done', async () => {
      const part = await begin();
      await part.append(bytes(1, 2, 3));
      const seen: number[] = [];
      const waiting = other.openBlob(repo, { blob, size: 6, onWait: (loaded) => seen.push(loaded) });
      await expect.poll(() => seen.length).toBeGreaterThan(0);
      await part.append(bytes(4, 5, 6));
      await part.complete();
      expect(await waiting).toBeUndefined();
    });

    test('when the one gives up, the next goes on', async () => {
      const part = await begin();
      await part.append(bytes(1, 2, 3));
      const waiting = other.openBlob(repo, { blob, size: 6 });
      await part.release();
      const next = await waiting;
      expect(next?.loaded).toBe(3);
      await next?.discard();
    });

    test('who waits can stop waiting', async () => {
      const part = await begin();
      const controller = new AbortController();
      const waiting = other.openBlob(repo, { blob, size: 6, signal: controller.signal });
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      await part.discard();
      await (await begin(other)).discard();
    });

    test('a repository is removed with everything, and only it', async () => {
      await fill();
      await storage.link(repo, commit, 'a', blob);
      await storage.writeRef(repo, 'main', commit);
      await storage.writeRef('owner/name-2', 'main', commit);
      expect(await other.listRepos()).toEqual(['owner/name', 'owner/name-2']);
      expect(await storage.remove(repo)).toBeGreaterThanOrEqual(6);
      expect(await storage.listRepos()).toEqual(['owner/name-2']);
      expect(await storage.snapshot(repo, commit, repo).has('a')).toBe(false);
      expect(await storage.readRef('owner/name-2', 'main')).toBe(commit);
      await (await begin()).discard();
    });
  });
}
