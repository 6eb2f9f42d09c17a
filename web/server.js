/** A web server for a folder, on this machine's own address. */

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
  ".wasm": "application/wasm",
};

/**
 * The file below `folder` that an address asks for, null if there is none. `normalize` takes out every "..".
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
 * Whether a request names this machine's own address, on any port: it may have come through a tunnel. Another name means that a
 * web site has its own name lead here, to read with the rights of a page of its own.
 * @param {string | undefined} host
 */
function isLocal(host) {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host ?? "");
}

/** @type {Readonly<Record<string, string>>} */
const headers = {
  // Exact clocks and shared memory need a page that is isolated from other sites.
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  // No page of another site may use these files or show these pages in a frame.
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": "frame-ancestors 'self'",
  "X-Frame-Options": "SAMEORIGIN",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  // The page is built anew often, under the same names.
  "Cache-Control": "no-cache",
};

/**
 * Serves the files below a folder to GET and HEAD; a folder's address means its index.html. Pages are cross-origin isolated.
 * Port 0: any free one. Throws a `UserError` if the port cannot be had.
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
    if (!isLocal(request.headers.host)) return refuse(421, "This server answers to localhost only.");
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return refuse(405, "This server knows GET and HEAD only.");
    }
    const file = await find(folder, request.url ?? "/");
    if (!file) return refuse(404, "There is no such file here.");
    response.setHeader("Content-Type", types[extname(file.path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.bytes);
    if (request.method === "HEAD") response.end();
    // Unlike `pipe`, this closes the file when the client breaks off.
    else pipeline(createReadStream(file.path), response, () => {});
  });
  await new Promise((resolve, reject) => {
    server.once("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      const why = error.code === "EADDRINUSE" ? "another program has it" : error.message;
      reject(new UserError(`Port ${port} cannot be used: ${why}; --port takes another one.`));
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
