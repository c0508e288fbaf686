// Keeps what the app has downloaded from its own server, so that it opens and paints without a network.
const cacheName = 'emulsion-studio';

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(keepPage());
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const isOwn = new URL(request.url).origin === self.location.origin;
  if (isOwn && ['GET', 'HEAD'].includes(request.method)) event.respondWith(answer(request));
});

/** The page was there before this worker: it is kept with the files that it names. */
async function keepPage() {
  const cache = await caches.open(cacheName);
  const page = await (await fetch('./')).text();
  const named = [...page.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)].map(([, path]) => path);
  await cache.addAll(['./', ...named]);
}

/** What the server says; without it, what is kept. The names of files in `assets/` change with their content. */
async function answer(request) {
  const cache = await caches.open(cacheName);
  const kept = () => cache.match(request.url, { ignoreSearch: request.mode === 'navigate' });
  if (new URL(request.url).pathname.includes('/assets/')) {
    const asset = await kept();
    if (asset) return asset;
  }
  try {
    const response = await fetch(request);
    // A part of a file, or what the server says of it, is not the file.
    if (response.status === 200 && request.method === 'GET') {
      // Where there is no room to keep it, it is answered all the same.
      await cache.put(request.url, response.clone()).catch(() => {});
    }
    return response;
  } catch (error) {
    const response = await kept();
    if (response) return request.method === 'HEAD' ? new Response(null, response) : response;
    // Whether the file is there was asked: as far as is known, it is not.
    if (request.method === 'HEAD') return new Response(null, { status: 404 });
    throw error;
  }
}
