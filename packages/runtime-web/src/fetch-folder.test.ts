/// <reference types="node" />
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MissingFileError, readJson, UnreadableFileError } from '@emulsion/checkpoints';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { fetchFolder } from './fetch-folder.ts';

const contents: Readonly<Record<string, string>> = {
  '/model/config.json': '{"a": 1}',
  '/model/unet/weights': '0123456789',
  '/model/empty': '',
  '/model/a%20b%23': 'x',
};

/** How the server answers besides: by the book, without ranges, or badly. */
let manner: 'proper' | 'no ranges' | 'breaks off' | 'cut short' | 'busy' = 'proper';
let requests: string[] = [];

function answer({ method, url = '', headers }: IncomingMessage, response: ServerResponse): void {
  requests.push(`${method} ${url} ${headers.range ?? ''}`.trim());
  const content = contents[url];
  if (manner === 'busy') response.writeHead(503).end();
  else if (content === undefined) response.writeHead(404).end('<html>no such page');
  else if (method === 'HEAD') response.writeHead(200).end();
  else if (manner === 'breaks off')
    response.writeHead(200, { 'Content-Length': 20 }).write('01', () => response.destroy());
  else {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    if (first === undefined || manner === 'no ranges') response.writeHead(200).end(content);
    else if (Number(first) >= content.length) {
      response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
    } else {
      const part = content.slice(Number(first), Number(last) + (manner === 'cut short' ? 0 : 1));
      response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${content.length}` }).end(part);
    }
  }
}

const server = createServer(answer);
let base: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`;
});
afterAll(() => server.close());
beforeEach(() => {
  manner = 'proper';
  requests = [];
});

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test.each(['proper', 'no ranges'] as const)(
  'files are found, measured and read, whole or in part, from a server that is %s',
  async (own) => {
    manner = own;
    const folder = fetchFolder(base);
    expect(await readJson(folder, 'config.json')).toEqual({ a: 1 });
    const unet = folder.subfolder('unet');
    expect(unet.name).toBe(`${base}/unet`);
    expect(await unet.has('weights')).toBe(true);
    expect(await unet.size('weights')).toBe(10);
    expect(text(await unet.read('weights', { offset: 2, length: 3 }))).toBe('234');
    expect(await unet.read('weights', { offset: 10, length: 0 })).toHaveLength(0);
    expect(text(await folder.read('a b#'))).toBe('x');
    expect(await folder.size('empty')).toBe(0);
    expect(await folder.read('empty')).toHaveLength(0);
  },
);

test('of a file that is read in parts nothing else is downloaded', async () => {
  await fetchFolder(`${base}/`).read('unet/weights', { offset: 2, length: 3 });
  expect(requests).toEqual(['GET /model/unet/weights bytes=2-4']);
});

test('a file that is used in place is downloaded once, and serves its parts too', async () => {
  const folder = fetchFolder(base);
  const [first, second] = await Promise.all([
    folder.locate('unet/weights'),
    folder.subfolder('unet').locate('weights'),
  ]);
  expect(first.kind === 'blob' && (await first.blob.text())).toBe('0123456789');
  expect(second.kind === 'blob' && second.blob).toBe(first.kind === 'blob' && first.blob);
  expect(text(await folder.read('unet/weights', { offset: 8, length: 2 }))).toBe('89');
  expect(await folder.size('unet/weights')).toBe(10);
  expect(requests).toEqual(['GET /model/unet/weights']);
});

test('what the server does not have is missing', async () => {
  const folder = fetchFolder(base);
  expect(await folder.has('none')).toBe(false);
  await expect(folder.read('none')).rejects.toThrow(`${base}: there is no file "none". Check the path.`);
  await expect(folder.locate('unet/none')).rejects.toSatisfy((error) => MissingFileError.is(error));
});

test('a range that the file does not have is refused', async () => {
  const folder = fetchFolder(base);
  for (const range of [
    { offset: 8, length: 3 },
    { offset: 20, length: 1 },
    { offset: 20, length: 0 },
  ]) {
    await expect(folder.read('unet/weights', range)).rejects.toThrow(
      `${base}/unet/weights: ${range.length} bytes from byte ${range.offset} on were asked for, the file has 10.`,
    );
  }
});

test('no path leads out of the folder', async () => {
  await expect(fetchFolder(base).read('../model/config.json')).rejects.toThrow(
    'is not a path inside this folder',
  );
  expect(requests).toEqual([]);
});

test('a server that fails is named with what it said, and asked again the next time', async () => {
  const folder = fetchFolder(base);
  manner = 'busy';
  await expect(folder.has('config.json')).rejects.toThrow(
    `${base}/config.json: it cannot be read (the server says 503 Service Unavailable). Check its permissions and the disk.`,
  );
  for (const [how, reason] of [
    ['breaks off', 'the connection broke'],
    ['cut short', 'it was cut short'],
  ] as const) {
    manner = how;
    const range = how === 'cut short' ? { offset: 0, length: 4 } : undefined;
    await expect(folder.read('unet/weights', range)).rejects.toThrow(`it cannot be read (${reason})`);
  }
  manner = 'breaks off';
  await expect(folder.locate('unet/weights')).rejects.toSatisfy((error) => UnreadableFileError.is(error));
  manner = 'proper';
  expect(await folder.locate('unet/weights')).toMatchObject({ kind: 'blob' });
});

test('a server that is not there cannot be reached', async () => {
  await expect(fetchFolder('http://127.0.0.1:1/model').has('config.json')).rejects.toThrow(
    'http://127.0.0.1:1/model/config.json: it cannot be read (the server cannot be reached).',
  );
});

test('a folder can be told where each of its files is, and asks for no others', async () => {
  const files = { 'config.json': `${base}/a%20b%23`, 'unet/weights': new URL(`${base}/unet/weights`) };
  const folder = fetchFolder(files, 'sd1');
  expect(text(await folder.read('config.json'))).toBe('x');
  expect(text(await folder.subfolder('unet').read('weights', { offset: 2, length: 3 }))).toBe('234');
  requests = [];
  expect(await folder.has('vae/config.json')).toBe(false);
  await expect(folder.subfolder('vae').read('config.json')).rejects.toSatisfy(
    (error) => MissingFileError.is(error) && error.message.startsWith('sd1/vae: '),
  );
  expect(requests).toEqual([]);
});
