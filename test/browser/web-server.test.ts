/** The server of the demo page: what it answers, to whom, and that nothing stays open. */

import { mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { settled } from "./settled.js";
import { serve } from "./site.js";

const folder = t.testdir();
mkdirSync(join(folder, "sub"));
writeFileSync(join(folder, "index.html"), "<!doctype html><title>page</title>");
writeFileSync(join(folder, "sub/index.html"), "below");
writeFileSync(join(folder, "large.bin"), Buffer.alloc(8 << 20, 7));
const site = await serve(folder, 0);
t.teardown(() => site.close());
t.setTimeout(600_000);
const { port } = new URL(site.url);

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

function ask(path: string, { method = "GET", host = `localhost:${port}` } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: "localhost", port, path, method, headers: { host } }, (response) => {
      let body = "";
      response.setEncoding("latin1").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on("error", reject)
      .end();
  });
}

/** Files of the folder that this process, which is the server too, holds open. */
function openFiles(): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith(folder);
    } catch {
      return false; // of the listing itself
    }
  }).length;
}

/** Asks for the large file, reads its first bytes, and hangs up. */
function breakOff(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), "localhost", () => {
      socket.write(`GET /large.bin HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    });
    socket.once("data", () => socket.destroy());
    socket.on("close", () => resolve()).on("error", reject);
  });
}

t.test("files, and only files", async (t) => {
  const page = await ask("/");
  t.equal(page.status, 200);
  t.match(page.body, /<title>page/);
  t.equal((await ask("/sub/")).body, "below");
  const head = await ask("/large.bin", { method: "HEAD" });
  t.same([head.status, head.headers["content-length"], head.body], [200, String(8 << 20), ""]);
  t.equal((await ask("/large.bin")).body.length, 8 << 20, "whole");
  for (const path of ["/none", "/sub", "/%00", "/../secret", "/%2e%2e/secret", "/%zz"])
    t.equal((await ask(path)).status, 404, path);
});

t.test("it is closed to other sites", async (t) => {
  for (const path of ["/", "/large.bin", "/none"]) {
    const { headers } = await ask(path, { method: "HEAD" });
    t.match(
      headers,
      {
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
        "content-security-policy": "frame-ancestors 'self'",
        "x-frame-options": "SAMEORIGIN",
        "x-content-type-options": "nosniff",
      },
      path,
    );
  }
  for (const host of ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
    t.equal((await ask("/", { host })).status, 200, host);
  for (const host of [
    "rebound.example",
    "localhost.rebound.example",
    "127.0.0.1.example:80",
    "x@localhost",
  ]) {
    const { status, body } = await ask("/", { host });
    t.same([status, body], [421, "This server answers only requests to localhost."], host);
  }
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const { status, headers, body } = await ask("/", { method });
    t.same(
      [status, headers.allow, body],
      [405, "GET, HEAD", "This server supports only GET and HEAD."],
      method,
    );
  }
});

t.test("downloads that are broken off leave no file open", async (t) => {
  for (let i = 0; i < 60; i++) await breakOff();
  t.equal(
    await settled(
      async () => openFiles(),
      (count) => count === 0,
    ),
    0,
  );
  t.equal((await ask("/")).status, 200, "and it still answers");
});
