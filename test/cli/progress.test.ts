import { Writable } from "node:stream";
import t from "tap";
import { type ProgressStream, startProgress, withProgress } from "../../dist/cli/progress.js";
import { formatDuration } from "../../dist/report/duration.js";

function sink(isTTY: boolean): { stream: ProgressStream; text: () => string } {
  const chunks: string[] = [];
  const writable = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const stream = Object.assign(writable, { isTTY, columns: 100 });
  return { stream, text: () => chunks.join("") };
}

t.test("without a terminal: a line every few seconds with throughput and time left", async (t) => {
  const { stream, text } = sink(false);
  let time = 0;
  const progress = startProgress({
    label: "decoder",
    total: 1000,
    unit: "steps",
    start: 100,
    perUnit: { factor: 64, unit: "images" },
    stream,
    now: () => time,
  });
  for (let step = 101; step <= 120; step++) {
    time += 500; // two steps a second
    progress.update(step, "loss 0.5");
  }
  progress.log("saved");
  progress.stop();
  progress.stop();
  progress.log("after the end");
  t.same(text().split("\n"), [
    "decoder 110/1000 steps (11 %), 128 images/s, 7 min 25 s left, loss 0.5",
    "decoder 120/1000 steps (12 %), 128 images/s, 7 min 20 s left, loss 0.5",
    "saved",
    "decoder 120/1000 steps (12 %), 128 images/s, took 10 s, loss 0.5",
    "",
  ]);
});

t.test("a slow start is forgotten after half a minute", async (t) => {
  const { stream, text } = sink(false);
  let time = 0;
  const progress = startProgress({
    label: "x",
    total: 1000,
    unit: "steps",
    stream,
    now: () => time,
    everyMs: 1,
  });
  time = 60_000;
  progress.update(1);
  for (let step = 2; step <= 401; step++) {
    time += 100;
    progress.update(step);
  }
  progress.stop();
  const lines = text().trimEnd().split("\n");
  t.match(lines.at(-2), /10 steps\/s, 1 min 0 s left/);
  t.match(lines.at(-1), /4\.01 steps\/s, took 1 min 40 s/, "at the end the mean over all");
});

t.test("nothing done yet, nothing to do", async (t) => {
  const { stream, text } = sink(false);
  const progress = startProgress({ label: "x", total: 0, unit: "images", stream, now: () => 0 });
  progress.stop();
  t.equal(text(), "x 0/0 images (100 %), took 0 s\n");
});

t.test("on a terminal: one bar, with lines above it", async (t) => {
  const { stream, text } = sink(true);
  const progress = startProgress({ label: "rendering", total: 10, unit: "images", stream });
  progress.update(5, "noto");
  progress.log("a line that stays");
  progress.update(10);
  progress.stop();
  const out = text();
  t.match(out, /rendering █{10}░{10} 5\/10 images \(50 %\)/);
  t.match(out, /a line that stays\n/);
  t.match(out, /rendering █{20} 10\/10 images \(100 %\)/);
  t.ok(out.endsWith("\n"));
  t.notMatch(out, /\?25l|\?7l/, "the terminal's settings are left alone");
});

t.test("quiet prints nothing; withProgress stops after an error too", async (t) => {
  const quiet = sink(false);
  startProgress({ label: "x", total: 1, unit: "steps", stream: quiet.stream, quiet: true }).stop();
  t.equal(quiet.text(), "");
  for (const isTTY of [false, true]) {
    const { stream, text } = sink(isTTY);
    const failing = withProgress({ label: "x", total: 3, unit: "steps", stream }, async (progress) => {
      progress.update(1);
      throw new Error("broken");
    });
    await t.rejects(failing, /broken/);
    t.match(text(), /took/);
  }
});

t.test("durations", async (t) => {
  t.same([0, 59.4, 60, 3599, 7500].map(formatDuration), [
    "0 s",
    "59 s",
    "1 min 0 s",
    "59 min 59 s",
    "2 h 5 min",
  ]);
});
