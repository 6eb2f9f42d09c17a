/** A web server for tests on this machine's own address: what a page asks for comes from memory or from a folder. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

export interface Site {
  /** `http://localhost:port`, without a slash at the end. */
  url: string;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};

/** The path that an address asks for, null if it has none. `normalize` takes out every "..": it stays below its root. */
function pathOf(address: string): string | null {
  try {
    const path = normalize(decodeURIComponent(new URL(address, "http://localhost").pathname));
    return path.endsWith("/") ? `${path}index.html` : path;
  } catch {
    return null;
  }
}

/**
 * Serves `files` (by path, with the slash in front) and, for what is not among them, the files below `folder`. Pages are
 * cross-origin isolated, as they need to be for exact clocks and shared memory. A folder's address means its index.html.
 */
export async function serve({
  files = new Map(),
  folder,
}: {
  files?: ReadonlyMap<string, string | Uint8Array>;
  folder?: string;
}): Promise<Site> {
  const find = async (path: string): Promise<string | Uint8Array | undefined> =>
    files.get(path) ??
    (folder === undefined ? undefined : readFile(join(folder, path)).catch(() => undefined));
  const server = createServer(async (request, response) => {
    const path = pathOf(request.url ?? "/");
    const body = path === null ? undefined : await find(path);
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Content-Type", TYPES[extname(path ?? "")] ?? "application/octet-stream");
    // Browsers ask for an icon by themselves; that there is none is no mistake of the page's.
    response.statusCode = body !== undefined ? 200 : path === "/favicon.ico" ? 204 : 404;
    response.end(request.method === "HEAD" ? undefined : (body ?? ""));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://localhost:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
