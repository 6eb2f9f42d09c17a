/** The server of runs.js: what it answers, to whom, live changes, and that nothing outside of the runs is reached. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { RunStore } from "../../../dist/cli/runs/run-store.js";
import { serveRuns } from "../../../dist/cli/runs/runs-server.js";
import { lockFolder } from "../../../dist/platform/lock.js";
import type { CurvesAnswer, RunListing, RunsAnswer } from "../../../dist/report/runs/listing.js";
import { appendLog, endRun, logLine, makeRun } from "./run-folders.js";

t.setTimeout(300_000);

const top = mkdtempSync(join(tmpdir(), "runs-server-"));
t.teardown(() => rmSync(top, { recursive: true }));
const root = join(top, "runs");
writeFileSync(join(top, "secret.txt"), "secret");
const png = Uint8Array.of(137, 80, 78, 71, 1, 2, 3);
makeRun(join(root, "a"));
endRun(join(root, "a"), png);
makeRun(join(root, "group/b & c"), { model: "lstm", done: 5 });
mkdirSync(join(root, "empty"));
mkdirSync(join(root, "weights"));
writeFileSync(join(root, "weights/config.json"), "{}");
writeFileSync(join(root, "a/secret.json"), '{"no": "result"}');

const store = new RunStore(root);
const server = await serveRuns(store, 0);
t.teardown(() => server.close());
const { port } = new URL(server.url);

interface Asked {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  const { method = "GET", headers = {}, body } = options;
  return new Promise<Asked>((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("latin1").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const json = (body: string) => JSON.parse(Buffer.from(body, "latin1").toString()) as unknown;
const runs = async (since = 0) => json((await ask(`/runs?since=${since}`)).body) as RunsAnswer;
/** The runs once all logs are read. */
async function read(since = 0): Promise<RunsAnswer> {
  for (;;) {
    const answer = await runs(since);
    if (answer.changed.every(({ isRead }) => isRead)) return answer;
  }
}
const byId = (list: readonly RunListing[], id: string) => list.find((run) => run.id === id)!;
const curves = async (id: string, more = "") => {
  const { body } = await ask(`/curves?run=${encodeURIComponent(id)}&x=step&points=100&share=60${more}`);
  return JSON.parse(body) as CurvesAnswer;
};

t.test("all runs at any depth, with what their folders hold", async (t) => {
  const { ids, changed } = await read();
  t.same([...ids].sort(), ["a", "group/b & c"], "weights are no run");
  t.match(byId(changed, "a"), {
    state: "finished",
    config: { model: "mc-diffusion", decoder: { dim: 128 } },
    stages: [
      { stage: "vqvae", step: 4, steps: 4, seconds: 4, unit: "images" },
      { stage: "decoder", step: 20, steps: 20, metrics: { ciderD: 0.2 }, losses: { total: 0.5 } },
    ],
    lines: 24,
    problems: [],
    data: { pictures: { train: 2, tone: 1 }, fingerprint: /^[0-9a-f]{12}$/ },
    note: { text: "", version: null },
    hasReport: true,
  });
  t.notOk("format" in byId(changed, "a").config);
  t.same(
    byId(changed, "a").samples.map(({ name, stage, step }) => [name, stage, step]),
    [
      ["vqvae-000004.png", "vqvae", 4],
      ["decoder-000010.svg", "decoder", 10],
      ["decoder-000020.svg", "decoder", 20],
      ["samples.svg", null, null],
    ],
  );
  t.same(byId(changed, "a").scores, [
    {
      ...{ file: "scores.json", split: "tone", pictures: 24, method: "model", isModel: true },
      scores: { ciderD: { mean: 1.5, low: 0.75, high: 3 }, tone: { mean: null, low: 0, high: 0 } },
    },
    {
      ...{ file: "scores.json", split: "tone", pictures: 24, method: "nearest by pixels", isModel: false },
      scores: { ciderD: { mean: 0.25, low: 0.125, high: 0.5 }, tone: { mean: null, low: 0, high: 0 } },
    },
  ]);
  t.match(byId(changed, "group/b & c"), { state: "stopped", config: { model: "lstm" }, scores: [] });
});

t.test("a question gets what changed since the last one, and a growing log is read on", async (t) => {
  const before = await read();
  t.same((await runs(before.revision)).changed, [], "nothing new");
  const folder = join(root, "group/b & c");
  const line = logLine("decoder", 7);
  appendLog(folder, logLine("decoder", 6) + line.slice(0, 30));
  const after = await read(before.revision);
  t.same(
    after.changed.map(({ id }) => id),
    ["group/b & c"],
    "the other is not sent again",
  );
  t.equal(after.changed[0]!.stages[1]!.step, 6);
  t.same(after.changed[0]!.problems, [], "half a line is no problem");
  const { stages, revision } = await curves("group/b & c");
  t.ok(revision > before.revision);
  t.same(stages[1]!.quantities[0]!.x, [1, 2, 3, 4, 5, 6]);
  appendLog(folder, line.slice(30));
  await read(after.revision);
  t.same((await curves("group/b & c")).stages[1]!.quantities[0]!.x.at(-1), 7);
  appendLog(folder, "nonsense\n");
  const damaged = await read(after.revision);
  t.match(byId(damaged.changed, "group/b & c").problems, [/1 of 12 lines are no log entries.*: line 12$/]);
});

t.test("new files of a run are seen, a new run and one that is gone", async (t) => {
  const before = await read();
  writeFileSync(join(root, "a/scores-cfg.json"), readFileSync(join(root, "a/scores.json")));
  writeFileSync(join(root, "a/broken.json"), "{");
  makeRun(join(root, "new"), { done: 1 });
  const after = await read(before.revision);
  t.same(after.changed.map(({ id }) => id).sort(), ["a", "new"]);
  t.same(
    byId(after.changed, "a").scores.map(({ file }) => file),
    ["scores-cfg.json", "scores-cfg.json", "scores.json", "scores.json"],
  );
  t.match(byId(after.changed, "a").problems, [/^broken\.json cannot be read: /]);
  rmSync(join(root, "a/broken.json"));
  rmSync(join(root, "new"), { recursive: true });
  const gone = await read(after.revision);
  t.same([...gone.ids].sort(), ["a", "group/b & c"]);
  t.equal((await ask("/curves?run=new&x=step&points=9&share=0")).status, 404);
});

t.test("a run is running while a living process holds its folder", async (t) => {
  const { revision } = await read();
  const release = await lockFolder(join(root, "group/b & c"));
  const [held] = (await read(revision)).changed;
  t.equal(held?.state, "running");
  release();
  const dead = { pid: 2 ** 22 - 1, host: "elsewhere", started: "" };
  t.equal(byId((await read()).changed, "group/b & c").state, "stopped");
  writeFileSync(join(root, "group/b & c/lock.json"), JSON.stringify(dead));
  t.equal(
    byId((await read()).changed, "group/b & c").state,
    "running",
    "of another machine, its log is young",
  );
  rmSync(join(root, "group/b & c/lock.json"));
});

t.test("samples and reports, and no other file", async (t) => {
  const { headers, body } = await ask("/sample?run=a&name=vqvae-000004.png");
  t.equal(Buffer.from(body, "latin1").toString("hex"), Buffer.from(png).toString("hex"));
  t.equal(headers["content-type"], "image/png");
  t.match(headers["content-security-policy"], /default-src 'none'.*sandbox/);
  t.match(await ask("/sample?run=a&name=samples.svg"), {
    status: 200,
    headers: { "content-type": "image/svg+xml" },
  });
  t.match((await ask("/report?run=a")).body, /<title>report/);
  t.equal((await ask("/report?run=group/b%20%26%20c")).status, 404, "no report yet");
  const again = await ask("/sample?run=a&name=vqvae-000004.png", {
    headers: { "if-none-match": String(headers.etag) },
  });
  t.same([again.status, again.body], [304, ""]);
  const head = await ask("/sample?run=a&name=vqvae-000004.png", { method: "HEAD" });
  t.same([head.status, head.headers["content-length"], head.body], [200, "7", ""]);
  symlinkSync(join(top, "secret.txt"), join(root, "a/samples/link.txt"));
  const outside = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/sample?run=a&name=../../../secret.txt",
    "/sample?run=a&name=..%2F..%2F..%2Fsecret.txt",
    "/sample?run=a&name=link.txt",
    "/sample?run=a&name=../config.json",
    "/sample?run=a&name=",
    "/sample?run=../..&name=secret.txt",
    "/sample?run=.&name=secret.txt",
    "/report?run=..",
    "/report?run=%00",
    "/curves?run=../a&x=step&points=9&share=0",
    "/a/config.json",
    "/secret.txt",
    "/code/../package.json",
    "/code/%2e%2e/package.json",
    "/code/report/../../package.json",
    "/code/report/runs/../../cli/options.js",
    "/code/report/%2e%2e/cli/options.js",
    "/code/cli/options.js",
    "/code/report/runs/app.js.map",
    "/code/report/runs/none.js",
    "/code/report//runs/app.js",
    "//secret.txt",
  ];
  for (const path of outside) {
    const { status, body } = await ask(path);
    t.equal(status, 404, path);
    t.notMatch(body, "secret");
  }
  t.match(await ask("/code/report/runs/app.js"), { status: 200, headers: { "content-type": /javascript/ } });
});

t.test("curves: a range, the time, and questions that make no sense", async (t) => {
  const ranged = await curves("a", "&from=5&to=8");
  t.same(ranged.stages[1]!.quantities[0]!.x, [5, 6, 7, 8]);
  t.equal(ranged.stages[1]!.quantities[0]!.smooth!.length, 4);
  for (const query of [
    "",
    "x=step",
    "x=step&points=9",
    "x=no&points=9&share=0",
    "x=step&points=0&share=0",
    "x=step&points=9999&share=0",
    "x=step&points=9&share=-1",
  ])
    t.match(await ask(`/curves?run=a&${query}`), { status: 400, body: /Curves need x/ }, query);
});

t.test("a note is kept in the run's folder, and nobody's is lost", async (t) => {
  const put = (query: string, body: string, headers = {}) =>
    ask(`/note?${query}`, { method: "PUT", body, headers });
  const first = await put("run=a", "grüße 😀");
  t.equal(first.status, 200);
  t.equal(readFileSync(join(root, "a/notes.md"), "utf8"), "grüße 😀");
  const { version } = JSON.parse(first.body) as { version: string };
  t.same(byId((await read()).changed, "a").note, { text: "grüße 😀", version });
  writeFileSync(join(root, "a/notes.md"), "by an editor");
  t.equal(byId((await read()).changed, "a").note.text, "by an editor", "also one written in place");
  const stale = await put(`run=a&version=${version}`, "mine");
  t.equal(stale.status, 409);
  t.match(JSON.parse(stale.body), { text: "by an editor", isKept: true });
  t.equal(readFileSync(join(root, "a/notes.md"), "utf8"), "by an editor");
  const { version: present } = JSON.parse(stale.body) as { version: string };
  t.equal((await put(`run=a&version=${present}`, " \n")).status, 200);
  t.notOk(existsSync(join(root, "a/notes.md")), "an empty note is none");
  t.match(await put("run=a", "x".repeat(100_001)), { status: 413, body: /at most 100000 bytes/ });
  t.equal((await put("run=../..", "x")).status, 404);
  t.match(await put("run=a", "x", { origin: "http://evil.example" }), { status: 403 });
  t.equal((await put("run=a", "x", { origin: `http://127.0.0.1:${port}` })).status, 200, "the page's own");
  rmSync(join(root, "a/notes.md"));
});

t.test("it is closed to other sites and other methods", async (t) => {
  const page = await ask("/");
  t.match(page.headers, {
    "content-security-policy": /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  });
  t.notMatch(page.body, /(src|href)="(https?:)?\/\//, "nothing from elsewhere");
  for (const host of ["localhost", `127.0.0.1:${port}`, "[::1]:8080"])
    t.equal((await ask("/", { headers: { host } })).status, 200, host);
  for (const host of ["rebound.example", "127.0.0.1.example:80", "x@localhost"])
    t.match(
      await ask("/runs", { headers: { host } }),
      { status: 421, body: /only requests to localhost/ },
      host,
    );
  for (const method of ["POST", "DELETE", "OPTIONS"])
    t.match(await ask("/note?run=a", { method }), { status: 405, headers: { allow: "GET, HEAD, PUT" } });
  t.match(await ask("/report?run=a", { method: "PUT" }), { status: 405, headers: { allow: "GET, HEAD" } });
  await t.rejects(serveRuns(store, Number(port)), {
    message: /^Port \d+ cannot be used: another program is using it/,
  });
});
