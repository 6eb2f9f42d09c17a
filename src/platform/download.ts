/** Large files by fetch: with progress, checked by their hash, kept in Cache Storage where there is one. */

import { UserError } from "./errors.js";
import { decodeText } from "./text.js";

export interface DownloadOptions {
  /** Ends the download with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Bytes so far, and in all where that is known (else 0). */
  onProgress?: ((progress: { loaded: number; total: number }) => void) | undefined;
  /** What the file must be; without it nothing is checked and nothing is kept. */
  expected?: { sha256: string; bytes: number } | undefined;
  /** Keeps the file for the next time, and takes it from there; default true. */
  cache?: boolean | undefined;
}

const cacheName = "mc-diffusion-weights";

/** Where this is Node, from version 20.16 on: its own hash takes a sixth of the time of its `crypto.subtle`. */
const nodeCrypto = (globalThis as { process?: NodeJS.Process }).process?.getBuiltinModule?.("node:crypto");

/** Lower-case hexadecimal SHA-256. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (nodeCrypto) return nodeCrypto.createHash("sha256").update(bytes).digest("hex");
  // A view of a SharedArrayBuffer is not accepted by every browser.
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

/** Bytes of a text file: the words of a million captions are far below. */
const MAX_TEXT_BYTES = 64 * 2 ** 20;
/** Bytes of a file of which nothing is known: the longest array that browsers give. */
const MAX_BYTES = 2 ** 31;

/**
 * A small text file, asked for anew at the server every time. Throws a `UserError` that names the address, also where the
 * server sends too much.
 */
export async function downloadText(url: string, signal?: AbortSignal): Promise<string> {
  const response = await request(url, signal, "no-cache");
  return decodeText(await received(response, url, 0, MAX_TEXT_BYTES, { signal }), url);
}

/** A file's bytes in one go. Throws a `UserError` that names the address. */
export async function fetchBytes(url: string): Promise<Uint8Array> {
  return received(await request(url), url, 0, MAX_BYTES, {});
}

/**
 * A file's bytes. Throws a `UserError` that names the address, also where the bytes are not the expected ones. What is
 * damaged in the cache is fetched again.
 */
export async function download(url: string, options: DownloadOptions = {}): Promise<Uint8Array> {
  const { signal, onProgress, expected } = options;
  signal?.throwIfAborted();
  const cache = expected && options.cache !== false ? await openCache() : null;
  // Another version of the file is another entry: a new config.json is enough to get new weights.
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
  // The length of what travels, which is less than what arrives if it is compressed.
  const announced = Number(response.headers.get("content-length") ?? 0);
  if (announced > most) await refuse(announced, "are announced");
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      signal?.throwIfAborted();
      chunks.push(part.value);
      loaded += part.value.length;
      if (loaded > most) await refuse(loaded, "came already");
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

/** Null where there is no Cache Storage (Node), or where the page may not use it. */
async function openCache(): Promise<Cache | null> {
  if (typeof caches === "undefined") return null;
  return caches.open(cacheName).catch(() => null);
}

/** Keeps the file instead of earlier versions of it. A full disk is no reason to fail. */
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
