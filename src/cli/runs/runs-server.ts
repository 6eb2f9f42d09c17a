/** The server of `runs.js`: its page, listings as JSON, the pictures and reports of runs, and their notes. Node only. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { X_AXES, type XAxis } from "../../report/runs/listing.js";
import type { CurveOptions } from "../../report/runs/log-columns.js";
import { runsPage } from "../../report/runs/page.js";
import { type LocalServer, refuse, serveLocally } from "../local-server.js";
import { writeNote } from "./run-files.js";
import type { RunStore } from "./run-store.js";
import type { WatchedRun } from "./watched-run.js";

/** Modules that the page is made of, below dist/: nothing of Node and nothing of the runs lies there. */
const CODE = /^\/code\/((?:report|io|platform|metrics|text)(?:\/[a-z0-9-]+)+\.js)$/;
const DIST = fileURLToPath(new URL("../../", import.meta.url));
/** Bytes of the longest note. */
const LONGEST_NOTE = 100_000;

const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
/** Files of runs may come from elsewhere: no script of theirs runs, and they request nothing. */
const FILE_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "sandbox",
  "frame-ancestors 'none'",
].join("; ");

/** Serves the runs of a store on 127.0.0.1. Port 0: any free port. */
export function serveRuns(store: RunStore, port: number): Promise<LocalServer> {
  return serveLocally({ port, methods: ["PUT"] }, async (given, answer, url) => {
    const [request, response] = [given as IncomingMessage, answer as ServerResponse];
    const { pathname, searchParams } = url;
    if (request.method === "PUT" && pathname !== "/note") {
      response.setHeader("Allow", "GET, HEAD");
      return refuse(response, 405, "Only /note can be written.");
    }
    if (pathname === "/") {
      response.setHeader("Content-Security-Policy", PAGE_POLICY);
      return send(response, "text/html; charset=utf-8", runsPage(store.folder));
    }
    const code = CODE.exec(pathname)?.[1];
    if (code !== undefined) return sendFile(response, "text/javascript; charset=utf-8", `${DIST}${code}`);
    if (pathname === "/runs")
      return sendJson(response, await store.answer(numberIn(searchParams, "since") ?? 0));
    const run = store.run(searchParams.get("run") ?? "");
    if (!run) return refuse(response, 404, "There is no such run or file.");
    response.setHeader("Content-Security-Policy", FILE_POLICY);
    if (pathname === "/curves") {
      const options = curveOptions(searchParams);
      if (!options) return refuse(response, 400, "Curves need x (step or time), points and share.");
      const { revision } = run.listing!;
      return sendJson(response, {
        id: run.id,
        revision,
        stages: (await store.columns(run)).curves(options),
      });
    }
    if (pathname === "/report" && run.listing!.hasReport)
      return sendFile(response, "text/html; charset=utf-8", `${run.folder}/report.html`);
    const sample = run.listing!.samples.find(({ name }) => name === searchParams.get("name"));
    if (pathname === "/sample" && sample) {
      const type = sample.name.endsWith(".svg") ? "image/svg+xml" : "image/png";
      return sendFile(response, type, `${run.folder}/samples/${sample.name}`);
    }
    if (pathname === "/note" && request.method === "PUT")
      return takeNote(request, response, run, searchParams);
    return refuse(response, 404, "There is no such run or file.");
  });
}

function curveOptions(params: URLSearchParams): CurveOptions | null {
  const axis = params.get("x") as XAxis;
  const [points, share] = [numberIn(params, "points"), numberIn(params, "share")];
  if (!X_AXES.includes(axis) || !points || points < 1 || points > 4096 || share === null || share < 0)
    return null;
  const [from, to] = [numberIn(params, "from") ?? undefined, numberIn(params, "to") ?? undefined];
  return { axis, points: Math.floor(points), share, from, to };
}

/** A finite number of the query; null if there is none. */
function numberIn(params: URLSearchParams, name: string): number | null {
  const text = params.get(name);
  const value = text === null || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

async function takeNote(
  request: IncomingMessage,
  response: ServerResponse,
  run: WatchedRun,
  params: URLSearchParams,
): Promise<void> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > LONGEST_NOTE)
      return refuse(response, 413, `A note has at most ${LONGEST_NOTE} bytes: keep longer texts elsewhere.`);
    parts.push(part);
  }
  const note = await writeNote(run.folder, Buffer.concat(parts).toString("utf8"), params.get("version"));
  if (note.isKept) response.statusCode = 409;
  return sendJson(response, note);
}

function send(response: ServerResponse, type: string, body: string): void {
  response.setHeader("Content-Type", type);
  response.end(response.req.method === "HEAD" ? undefined : body);
}

function sendJson(response: ServerResponse, value: unknown): void {
  send(response, "application/json", JSON.stringify(value));
}

/** A file as it is now; a copy that the browser already has is not sent again. */
async function sendFile(response: ServerResponse, type: string, path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) return refuse(response, 404, "There is no such run or file.");
  const tag = `"${found.ino}-${found.size}-${found.mtimeMs}"`;
  response.setHeader("ETag", tag);
  if (response.req.headers["if-none-match"] === tag) {
    response.statusCode = 304;
    response.end();
    return;
  }
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", found.size);
  if (response.req.method === "HEAD") {
    response.end();
    return;
  }
  const stream = createReadStream(path, { end: Math.max(0, found.size - 1) });
  stream.on("error", () => response.destroy());
  response.on("close", () => stream.destroy());
  stream.pipe(response);
}
