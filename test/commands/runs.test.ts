/** `node dist/runs.js`: its listing, its event files, its page, and what it says of mistakes. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import t from "tap";
import { crc32c, maskedCrc32c } from "../../dist/io/tensorboard/records.js";
import { appendLog, endRun, logLine, makeRun } from "../cli/runs/run-folders.js";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "runs-"));
t.teardown(() => rmSync(root, { recursive: true }));
const folder = join(root, "runs");
const png = PNG.sync.write(new PNG({ width: 6, height: 5, colorType: 2 }));
makeRun(join(folder, "first"));
endRun(join(folder, "first"), png);
makeRun(join(folder, "deep/second"), { model: "bit-diffusion", done: 3 });
appendLog(join(folder, "deep/second"), `broken\n${logLine("decoder", 4).slice(0, 50)}`);

t.test("a listing as JSON", async (t) => {
  const { code, stdout, stderr } = await runCommand("runs", [folder, "--json"]);
  t.same([code, stderr], [0, ""]);
  const { format, runs } = JSON.parse(stdout);
  t.equal(format, "mc-diffusion-runs-1");
  const [second, first] = [...runs].sort((a, b) => (a.id < b.id ? -1 : 1));
  t.match(first, { id: "first", state: "finished", isRead: true, lines: 24, problems: [] });
  t.match(second, {
    id: "deep/second",
    state: "stopped",
    lines: 8,
    problems: ["log.jsonl: 1 of 8 lines are no log entries and are left out: line 8"],
    stages: [{ stage: "vqvae" }, { stage: "decoder", step: 3, steps: 20 }],
  });
});

/** The fields of a message of protocol buffers: numbers, and bytes of what has a length. */
function fieldsOf(bytes: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key & 7;
    if (kind === 0) fields.push([key >> 3, varint()]);
    else if (kind === 1) {
      fields.push([key >> 3, bytes.readDoubleLE(at)]);
      at += 8;
    } else if (kind === 5) {
      fields.push([key >> 3, bytes.readFloatLE(at)]);
      at += 4;
    } else {
      const length = varint();
      fields.push([key >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

/** The events of a file, after its sums have been checked. */
function eventsOf(path: string): Map<number, number | Buffer>[] {
  const bytes = readFileSync(path);
  const events: Map<number, number | Buffer>[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (bytes.readUInt32LE(at + 8) !== maskedCrc32c(bytes.subarray(at, at + 8))) throw new Error("length");
    if (bytes.readUInt32LE(at + 12 + length) !== maskedCrc32c(data)) throw new Error("data");
    events.push(new Map(fieldsOf(data)));
    at += 16 + length;
  }
  return events;
}

t.test("event files: every number at its step and time, and the samples", async (t) => {
  t.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  const out = join(root, "events");
  const { code, stdout, stderr } = await runCommand("runs", [folder, "--tensorboard", out, "--quiet"]);
  t.same([code, stderr], [0, ""]);
  t.equal(stdout, `${out}: 2 runs, 31 steps, 4 images; tensorboard --logdir ${out} shows them\n`);
  t.same(readdirSync(join(out, "deep/second")), ["events.out.tfevents.mc-diffusion"], "nothing unfinished");
  const path = join(out, "first/events.out.tfevents.mc-diffusion");
  const [version, ...events] = eventsOf(path);
  t.equal(String(version!.get(3)), "brain.Event:2");
  const end = statSync(join(folder, "first/log.jsonl")).mtimeMs / 1000;
  t.ok(
    Math.abs((version!.get(1) as number) - (end - 24)) < 1e-3,
    "24 steps of a second before the log's end",
  );
  const values = events.flatMap((event) =>
    fieldsOf(event.get(5) as Buffer).map(([, value]) => {
      const fields = new Map(fieldsOf(value as Buffer));
      return {
        tag: String(fields.get(1)),
        step: event.get(2),
        time: event.get(1) as number,
        number: fields.get(2),
        image: fields.get(4),
      };
    }),
  );
  const at = (tag: string, step: number) => values.find((value) => value.tag === tag && value.step === step);
  t.equal(at("decoder/losses/total", 4)!.number, 2.5);
  t.equal(at("vqvae/losses/total", 4)!.number, 2.5);
  t.equal(at("decoder/metrics/ciderD", 20)!.number, Math.fround(0.2));
  t.equal(values.filter(({ tag }) => tag === "decoder/metrics/ciderD").length, 2);
  t.ok(Math.abs(at("decoder/gradNorm", 20)!.time - end) < 1e-3);
  t.ok(Math.abs(at("decoder/gradNorm", 1)!.time - (end - 19)) < 1e-3, "each step takes its time");
  const imageOf = (tag: string, step: number) => new Map(fieldsOf(at(tag, step)!.image as Buffer));
  const stored = imageOf("vqvae/samples", 4);
  t.same([stored.get(1), stored.get(2), stored.get(3)], [5, 6, 3]);
  t.ok((stored.get(4) as Buffer).equals(png), "a PNG is taken as it is");
  const drawn = PNG.sync.read(imageOf("decoder/samples", 10).get(4) as Buffer);
  t.same(
    [drawn.width, drawn.height, ...drawn.data.subarray(0, 3)],
    [30, 20, 255, 0, 0],
    "a drawing is rendered",
  );
  t.equal(at("decoder/samples", 10)!.time, at("decoder/gradNorm", 10)!.time);
  t.ok(at("samples/samples", 20), "that of the end");
});

t.test("a sample that cannot be read is left out and named", async (t) => {
  writeFileSync(join(folder, "deep/second/samples/vqvae-000002.png"), "no picture");
  const out = join(root, "events");
  const { code, stdout, stderr } = await runCommand("runs", [folder, "--tensorboard", out, "--quiet"]);
  t.equal(code, 0);
  t.match(stdout, /31 steps, 4 images/);
  t.match(
    stderr,
    /^left out: .*second\/samples\/vqvae-000002\.png: the file is text that begins "no picture"/,
  );
});

/** The server of a command, once it has said its address. */
async function served(args: readonly string[]): Promise<{ child: ChildProcess; url: string; line: string }> {
  const path = fileURLToPath(new URL("../../dist/runs.js", import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill());
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data))),
  );
  return { child, url: /http:\S+/.exec(line)![0], line };
}

t.test("the page is served on 127.0.0.1 until Ctrl-C", async (t) => {
  const { child, url, line } = await served([folder, "--port", "0"]);
  t.match(line, /^2 runs of .*: http:\/\/127\.0\.0\.1:\d+\/ \(Ctrl-C ends the server\)\n$/);
  t.match(await (await fetch(url)).text(), /<title>Runs: /);
  const taken = await runCommand("runs", [folder, "--port", new URL(url).port]);
  t.same([taken.code, taken.stdout], [1, ""]);
  t.match(
    taken.stderr,
    /^error: Port \d+ cannot be used: another program is using it; choose another with --port/,
  );
  child.kill("SIGINT");
  t.same(await new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal]))), [
    null,
    "SIGINT",
  ]);
});

t.test("what is wrong is said in one sentence", async (t) => {
  mkdirSync(join(root, "empty"));
  writeFileSync(join(root, "file"), "");
  const cases: [string[], number, RegExp][] = [
    [[join(root, "none")], 1, /^error: .*none is not there: name a folder that holds runs of train\.js\n$/],
    [[join(root, "file")], 1, /^error: .*file is a file: name a folder/],
    [[join(root, "empty")], 1, /^error: .*empty holds no run: train\.js writes runs into the folder runs/],
    [[folder, "--port", "99999"], 2, /whole number from 0 to 65535/],
    [[folder, "--json", "--tensorboard"], 2, /'--json' cannot be used with option '--tensorboard/],
    [[folder, "more"], 2, /too many arguments/],
  ];
  for (const [args, expected, message] of cases) {
    const { code, stdout, stderr } = await runCommand("runs", args);
    t.same([code, stdout], [expected, ""], args.join(" "));
    t.match(stderr, message);
  }
});
