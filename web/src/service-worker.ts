/**
 * Keeps the page for offline visits. The first visit stores the files that the page needs to start; data are stored when the page
 * requests them. Online, every request goes to the network, so that no visitor sees an outdated page. The weights are not stored
 * here: `Captioner.load` keeps them itself, by their hash.
 */

/** URLs relative to this file, and a hash of all the files; inserted by the build. */
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
    // With a full disk only offline visits fail, not this one.
    await cache.put(request, copy).catch(() => {});
  }
  return response;
}

/** Requests that this worker leaves alone: other origins, other methods, the weights. */
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
