/** Fetches large files: reports progress, verifies the hash, and keeps the file in Cache Storage if available. */

import { UserError } from "./errors.js";
import { decodeText } from "./text.js";

export interface DownloadOptions {
  /** Aborts the download with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called with the bytes so far and in total (0 if unknown). */
  onProgress?: ((progress: { loaded: number; total: number }) => void) | undefined;
  /** Expected hash and size of the file. If omitted, nothing is checked and nothing is cached. */
  expected?: { sha256: string; bytes: number } | undefined;
  /** Cache the file, and read it from the cache; default true. */
  cache?: boolean | undefined;
}

const cacheName = "mc-diffusion-weights";

/** In Node 20.16 or later: its own hash takes a sixth of the time of its `crypto.subtle`. */
const nodeCrypto = (globalThis as { process?: NodeJS.Process }).process?.getBuiltinModule?.("node:crypto");

/** Lower-case hexadecimal SHA-256. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (nodeCrypto) return nodeCrypto.createHash("sha256").update(bytes).digest("hex");
  // Not every browser accepts a view of a SharedArrayBuffer.
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function request(url: string, signal?: AbortSignal, mode: RequestCache = "default"): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { cache: mode, ...(signal ? { signal } : {}) });
  } catch (error) {
    signal?.throwIfAborted();
    throw new UserError(`Cannot fetch ${url}: ${error instanceof Error ? error.message : error}.`);
  }
  if (!response.ok)
    throw new UserError(`Cannot fetch ${url}: the server answered with status ${response.status}.`);
  return response;
}

/** Largest text file in bytes: the words of a million captions take far less. */
const MAX_TEXT_BYTES = 64 * 2 ** 20;
/** Largest file of unknown size in bytes: the longest array that browsers allocate. */
const MAX_BYTES = 2 ** 31;

/**
 * Fetches a small text file, revalidated with the server every time. Throws a `UserError` that names the URL, also if the
 * file is too large.
 */
export async function downloadText(url: string, signal?: AbortSignal): Promise<string> {
  const response = await request(url, signal, "no-cache");
  return decodeText(await received(response, url, 0, MAX_TEXT_BYTES, { signal }), url);
}

/** Fetches a file's bytes. Throws a `UserError` that names the URL. */
export async function fetchBytes(url: string): Promise<Uint8Array> {
  return received(await request(url), url, 0, MAX_BYTES, {});
}

/**
 * Fetches a file's bytes, from the cache if possible. Fetches a damaged cache entry again. Throws a `UserError` that names the
 * URL, also if the bytes are not the expected ones.
 */
export async function download(url: string, options: DownloadOptions = {}): Promise<Uint8Array> {
  const { signal, onProgress, expected } = options;
  signal?.throwIfAborted();
  const cache = expected && options.cache !== false ? await openCache() : null;
  // Each version of the file has its own entry: a new config.json is enough to get new weights.
  const key = `${url}${url.includes("?") ? "&" : "?"}sha256=${expected?.sha256}`;
  const kept = await cache?.match(key).catch(() => undefined);
  if (kept && expected) {
    const bytes = await received(kept, url, expected.bytes, MAX_BYTES, options);
    if ((await sha256(bytes)) === expected.sha256) return bytes;
    await cache?.delete(key);
  }
  const response = await request(url, signal);
  const length = expected?.bytes ?? Number(response.headers.get("content-length") ?? 0);
  const bytes = await received(response, url, length, expected?.bytes ?? MAX_BYTES, options);
  onProgress?.({ loaded: bytes.length, total: bytes.length });
  if (expected) {
    if (bytes.length !== expected.bytes || (await sha256(bytes)) !== expected.sha256) {
      throw new UserError(
        `${url} is damaged or of another version: its ${bytes.length} bytes are not the ${expected.bytes} whose SHA-256 config.json names`,
      );
    }
    if (cache) await keep(cache, key, url, bytes);
  }
  return bytes;
}

async function received(
  response: Response,
  url: string,
  total: number,
  most: number,
  { signal, onProgress }: DownloadOptions,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  const reader = response.body?.getReader();
  const refuse = async (bytes: number, so: string): Promise<never> => {
    await reader?.cancel().catch(() => {});
    throw new UserError(`${url} is too large: ${bytes} bytes ${so}, and at most ${most} were expected`);
  };
  // The transferred length, which is less than the received bytes if the transfer is compressed.
  const announced = Number(response.headers.get("content-length") ?? 0);
  if (announced > most) await refuse(announced, "are announced");
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      signal?.throwIfAborted();
      chunks.push(part.value);
      loaded += part.value.length;
      if (loaded > most) await refuse(loaded, "have arrived already");
      onProgress?.({ loaded, total: Math.max(total, loaded) });
    }
  } catch (error) {
    await reader?.cancel().catch(() => {});
    signal?.throwIfAborted();
    if (error instanceof UserError) throw error;
    const why = error instanceof Error ? error.message : error;
    throw new UserError(`Fetching ${url} stopped after ${loaded} bytes: ${why}.`);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Opens Cache Storage; null where there is none (Node) or the page may not use it. */
async function openCache(): Promise<Cache | null> {
  if (typeof caches === "undefined") return null;
  return caches.open(cacheName).catch(() => null);
}

/** Caches the file in place of its earlier versions. A full disk is not an error. */
async function keep(cache: Cache, key: string, url: string, bytes: Uint8Array): Promise<void> {
  try {
    for (const { url: old } of await cache.keys()) {
      if (old.startsWith(`${url}?sha256=`) || old.startsWith(`${url}&sha256=`)) await cache.delete(old);
    }
    await cache.put(key, new Response(bytes as Uint8Array<ArrayBuffer>));
  } catch {
    // The next visit fetches the file again.
  }
}
