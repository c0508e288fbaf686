import { expect, test } from 'vitest';
import { HubUnreachableError } from './errors.ts';
import { openHubFolder } from './hub-folder.ts';
import { memoryStorage } from './memory-storage.ts';

test("the platform's own fetch is used, in its own way", async () => {
  // A port to which no platform connects.
  const options = { endpoint: 'http://127.0.0.1:9', storage: memoryStorage(), maxRetries: 0 };
  const error = await openHubFolder('owner/name', options).catch((error: unknown) => error);
  expect(error).toSatisfy(HubUnreachableError.is.bind(HubUnreachableError));
  expect(['bad port', 'Failed to fetch']).toContain((error as HubUnreachableError).reason);
});

test('another fetch, and an abort before anything, are heeded', async () => {
  const asked: string[] = [];
  const elsewhere = (async (url: string) => {
    asked.push(url);
    return new Response('', { status: 404 });
  }) as typeof fetch;
  const options = { endpoint: 'http://hub.invalid/base/', storage: memoryStorage(), fetch: elsewhere };
  await expect(openHubFolder('owner/name', options)).rejects.toThrow(
    'http://hub.invalid/base has no such model',
  );
  expect(asked).toEqual(['http://hub.invalid/base/api/models/owner/name/revision/main']);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(openHubFolder('owner/name', { ...options, signal })).rejects.toThrow('enough');
  expect(asked).toHaveLength(1);
});
