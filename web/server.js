/** A web server for a folder, on localhost. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream";
import { refuse, serveLocally } from "../dist/cli.js";

/** @type {Readonly<Record<string, string>>} */
const types = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * Finds the file below `folder` that a path requests; null if there is none. `normalize` removes every "..".
 * @param {string} folder
 * @param {string} pathname
 * @returns {Promise<{ path: string; bytes: number } | null>}
 */
async function find(folder, pathname) {
  try {
    const asked = normalize(decodeURIComponent(pathname));
    const path = join(folder, asked.endsWith("/") ? `${asked}index.html` : asked);
    const { size } = await stat(path).then((file) => (file.isFile() ? file : Promise.reject()));
    return { path, bytes: size };
  } catch {
    return null;
  }
}

/** @type {Readonly<Record<string, string>>} */
const headers = {
  // High-resolution clocks and shared memory need a cross-origin isolated page.
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Content-Security-Policy": "frame-ancestors 'self'",
};

/**
 * Serves the files below a folder to GET and HEAD. A folder's URL returns its index.html. Pages are cross-origin isolated.
 * Port 0: any free port. Throws a `UserError` if the port cannot be opened.
 * @param {string} folder
 * @param {number} port
 * @returns {Promise<{ url: string; close(): Promise<void> }>}
 */
export function serve(folder, port) {
  return serveLocally({ host: "localhost", port, headers }, async (request, response, { pathname }) => {
    const file = await find(folder, pathname);
    if (!file) return refuse(response, 404, "There is no such file.");
    response.setHeader("Content-Type", types[extname(file.path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.bytes);
    if (request.method === "HEAD") response.end();
    // Unlike `pipe`, this closes the file when the client disconnects.
    else {
      const stream = /** @type {import("node:http").ServerResponse} */ (response);
      pipeline(createReadStream(file.path), stream, () => {});
    }
  });
}
