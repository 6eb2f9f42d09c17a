/**
 * Keeps the page for visits without a network. What the page needs to come up is stored when it is first visited, the data
 * that it asks for as it does. With a network everything comes from there, so that nobody sees a page of yesterday. The weights
 * are not here: `Captioner.load` keeps them itself, by their hash.
 */

/** Addresses relative to this file, and a hash of all of them; put in at build. */
declare const FILES: readonly string[];
declare const VERSION: string;

interface LongEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface RequestEvent extends LongEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = self as unknown as { skipWaiting(): Promise<void>; clients: { claim(): Promise<void> } };

const PREFIX = "mc-diffusion-page-";
const NAME = PREFIX + VERSION;

async function install(): Promise<void> {
  const cache = await caches.open(NAME);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(PREFIX) && name !== NAME).map((name) => caches.delete(name)),
  );
  await worker.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    const kept = await caches.match(request, { cacheName: NAME, ignoreSearch: true, ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
  if (response.status === 200) {
    const copy = response.clone();
    const cache = await caches.open(NAME);
    // A full disk costs the visits without a network, not this one.
    await cache.put(request, copy).catch(() => {});
  }
  return response;
}

/** Requests that this worker has nothing to do with: other sites, other methods, the weights. */
function isForeign({ url, method }: Request): boolean {
  const { origin, pathname } = new URL(url);
  return origin !== location.origin || method !== "GET" || pathname.endsWith(".safetensors");
}

addEventListener("install", (event) => (event as LongEvent).waitUntil(install()));
addEventListener("activate", (event) => (event as LongEvent).waitUntil(activate()));
addEventListener("fetch", (event) => {
  const { request } = event as RequestEvent;
  if (!isForeign(request)) (event as RequestEvent).respondWith(answer(request));
});
