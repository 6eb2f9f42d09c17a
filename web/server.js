/** A web server for a folder, on localhost. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream";
import { UserError } from "../dist/index.js";

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
 * Finds the file below `folder` that a URL requests; null if there is none. `normalize` removes every "..".
 * @param {string} folder
 * @param {string} address
 * @returns {Promise<{ path: string; bytes: number } | null>}
 */
async function find(folder, address) {
  try {
    const asked = normalize(decodeURIComponent(new URL(address, "http://localhost").pathname));
    const path = join(folder, asked.endsWith("/") ? `${asked}index.html` : asked);
    const { size } = await stat(path).then((file) => (file.isFile() ? file : Promise.reject()));
    return { path, bytes: size };
  } catch {
    return null;
  }
}

/**
 * Whether a request's Host header names localhost, on any port (the request may come through a tunnel). Another name points to
 * DNS rebinding: a web site resolves its own name to this machine, to read these files as its own origin.
 * @param {string | undefined} host
 */
function isLocal(host) {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host ?? "");
}

/** @type {Readonly<Record<string, string>>} */
const headers = {
  // High-resolution clocks and shared memory need a cross-origin isolated page.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  // Other sites may neither use these files nor show these pages in a frame.
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": "frame-ancestors 'self'",
  "X-Frame-Options": "SAMEORIGIN",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  // Rebuilding the page changes files under the same names.
  "Cache-Control": "no-cache",
};

/**
 * Serves the files below a folder to GET and HEAD. A folder's URL returns its index.html. Pages are cross-origin isolated.
 * Port 0: any free port. Throws a `UserError` if the port cannot be opened.
 * @param {string} folder
 * @param {number} port
 * @returns {Promise<{ url: string; close(): Promise<void> }>}
 */
export async function serve(folder, port) {
  const server = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    /** @type {(status: number, sentence: string) => void} */
    const refuse = (status, sentence) => {
      response.statusCode = status;
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      response.end(sentence);
    };
    if (!isLocal(request.headers.host)) return refuse(421, "This server answers only requests to localhost.");
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return refuse(405, "This server supports only GET and HEAD.");
    }
    const file = await find(folder, request.url ?? "/");
    if (!file) return refuse(404, "There is no such file.");
    response.setHeader("Content-Type", types[extname(file.path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.bytes);
    if (request.method === "HEAD") response.end();
    // Unlike `pipe`, this closes the file when the client disconnects.
    else pipeline(createReadStream(file.path), response, () => {});
  });
  await new Promise((resolve, reject) => {
    server.once("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      const why = error.code === "EADDRINUSE" ? "another program is using it" : error.message;
      reject(new UserError(`Port ${port} cannot be used: ${why}; choose another with --port.`));
    });
    server.listen(port, "localhost", () => resolve(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://localhost:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
