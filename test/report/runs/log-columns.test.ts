/** Curves of a log: every quantity, over steps and time, smoothed over all values. */

import t from "tap";
import type { LogEntry } from "../../../dist/io/run-folder.js";
import { smoothingOf } from "../../../dist/report/quantities.js";
import { LogColumns } from "../../../dist/report/runs/log-columns.js";
import { movingAverage } from "../../../dist/report/thin.js";

function entry(stage: string, step: number, changes: Partial<LogEntry> = {}): LogEntry {
  const unit = stage === "vqvae" ? "images" : "tokens";
  return {
    ...{ stage, step, unit, losses: { total: step, kl: 2 * step }, learningRate: 1e-3, gradNorm: 3 },
    ...{ ms: 360_000, perSecond: 50, bytes: 2 ** 21 },
    ...changes,
  };
}

const all = { axis: "step", points: 1000, share: 0 } as const;

t.test("each stage has its quantities in the order of charts, measures at their own steps", async (t) => {
  const log = new LogColumns();
  for (let step = 1; step <= 3; step++) log.add(entry("vqvae", step, { waiting: 0.5 }));
  for (let step = 1; step <= 4; step++)
    log.add(entry("decoder", step, step % 2 === 0 ? { metrics: { ciderD: step / 10 } } : {}));
  const [vqvae, decoder] = log.curves(all);
  t.same(
    [vqvae!.stage, vqvae!.unit, decoder!.stage, decoder!.unit],
    ["vqvae", "images", "decoder", "tokens"],
  );
  t.same(
    decoder!.quantities.map(({ name }) => name),
    [
      "losses.total",
      "metrics.ciderD",
      "losses.kl",
      "gradNorm",
      "learningRate",
      "perSecond",
      "memoryMiB",
      "ms",
    ],
  );
  const of = (name: string) => decoder!.quantities.find((curve) => curve.name === name);
  t.same(of("metrics.ciderD"), { name: "metrics.ciderD", x: [2, 4], y: [0.2, 0.4] });
  t.same(of("losses.kl")!.y, [2, 4, 6, 8]);
  t.same(of("memoryMiB")!.y, [2, 2, 2, 2]);
  t.ok(vqvae!.quantities.some(({ name }) => name === "waiting"));
});

t.test("over time: hours of the stage's own steps", async (t) => {
  const log = new LogColumns();
  log.add(entry("vqvae", 1));
  for (const ms of [360_000, Number.NaN, 720_000]) log.add(entry("decoder", 1, { ms }));
  const [, decoder] = log.curves({ ...all, axis: "time" });
  t.same(decoder!.quantities[0]!.x, [0.1, 0.1, 0.3], "a step of unknown time takes none");
  t.same(log.curves({ ...all, axis: "time", from: 0.2 })[1]!.quantities[0]!.y, [1]);
});

t.test("the thick line averages all values, also those that are not drawn", async (t) => {
  const log = new LogColumns();
  const y = Array.from({ length: 20_000 }, (_, i) => Math.cos(i * 2.1) + i / 20_000);
  for (const [i, total] of y.entries()) log.add(entry("decoder", i + 1, { losses: { total } }));
  const [stage] = log.curves({ axis: "step", points: 50, share: 60 });
  const [total] = stage!.quantities;
  t.ok(total!.x.length <= 200);
  const smooth = movingAverage(y, smoothingOf(y.length));
  for (const [i, step] of total!.x.entries()) {
    t.ok(Math.abs(total!.y[i]! - y[step - 1]!) < 1e-4);
    t.ok(Math.abs(total!.smooth![i]! - smooth[step - 1]!) < 1e-4, `step ${step}`);
  }
  const names = stage!.quantities.filter(({ smooth }) => smooth === undefined).map(({ name }) => name);
  t.same(names, ["learningRate", "memoryMiB"], "what is no noise is not smoothed");
});

t.test("NaN and infinity are null in JSON", async (t) => {
  const log = new LogColumns();
  for (const total of [1, Number.NaN, Number.POSITIVE_INFINITY, 2])
    log.add(entry("decoder", 1, { losses: { total } }));
  const { y, smooth } = log.curves({ ...all, share: 60 })[0]!.quantities[0]!;
  t.same(y, [1, null, 2], "a gap is one point");
  t.same(JSON.parse(JSON.stringify(smooth))[1], null);
});
