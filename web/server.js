/** A web server for a folder, on this machine's own address. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { UserError } from "../dist/platform/errors.js";

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
 * Serves the files below a folder; a folder's address means its index.html. Pages are cross-origin isolated, as they have to be
 * for exact clocks and shared memory. Port 0: any free one. Throws a `UserError` if the port cannot be had.
 * @param {string} folder
 * @param {number} port
 * @returns {Promise<{ url: string; close(): Promise<void> }>}
 */
export async function serve(folder, port) {
  const server = createServer(async (request, response) => {
    const file = await find(folder, request.url ?? "/");
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    response.setHeader("X-Content-Type-Options", "nosniff");
    // The page is built anew often, under the same names.
    response.setHeader("Cache-Control", "no-cache");
    if (!file) {
      response.statusCode = 404;
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      response.end("There is no such file here.");
      return;
    }
    response.setHeader("Content-Type", types[extname(file.path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.bytes);
    if (request.method === "HEAD") response.end();
    else
      createReadStream(file.path)
        .on("error", (error) => response.destroy(error))
        .pipe(response);
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
