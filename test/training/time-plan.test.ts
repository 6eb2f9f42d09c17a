/** Plans of runs in a given time, on machines that a clock of the test's own makes. */
import t from "tap";
import type { Config } from "../../dist/config/config.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import type { Costs } from "../../dist/training/costs.js";
import { TimePlan, type WorkLoad } from "../../dist/training/time-plan.js";

const costs: Costs = { vqvaeStep: 0.05, decoderStep: 0.06, encode: 0.002, caption: 0.008, bound: 0.0008 };
const work: WorkLoad = {
  trainingPictures: 500,
  heldOut: { pictures: 68, captions: 200 },
  tested: (scored) => ({ pictures: 5 * Math.min(scored, 60), captions: 15 * Math.min(scored, 60) }),
};
const BOUND_STEPS = 10;

interface Machine {
  /** How many times as long as measured things take at a time of the run, in seconds. */
  slowness: (seconds: number) => number;
  minutes: number;
  costs?: Costs;
  vqvaeOnly?: boolean;
  preset?: string;
}

interface Simulated {
  /** Seconds that the run took. */
  seconds: number;
  config: Config;
  planned: { vqvae: number; decoder: number };
  done: { vqvae: number; decoder: number };
  /** Steps after which the number of steps was another one, and no checkpoint. */
  unsaved: number[];
}

/** A run as train.js does it, but nothing is computed: each part moves the clock by what it costs. */
function simulate({
  slowness,
  minutes,
  costs: own = costs,
  vqvaeOnly = false,
  preset = "quick",
}: Machine): Simulated {
  let ms = 1000;
  const now = () => ms;
  const began = now();
  const spend = (seconds: number) => {
    ms += 1000 * seconds * slowness((ms - began) / 1000);
  };
  // What comes before the plan.
  ms += 12_000;
  const config = resolveConfig({ preset, set: [`minutes=${minutes}`] });
  const plan = new TimePlan({
    config,
    costs: own,
    work,
    vqvaeOnly,
    now,
    began,
    deadline: began + 60_000 * minutes,
  });
  const planned = { vqvae: config.vqvae.steps, decoder: config.decoder.steps };
  const done = { vqvae: 0, decoder: 0 };
  const unsaved: number[] = [];
  for (const stage of vqvaeOnly ? (["vqvae"] as const) : (["vqvae", "decoder"] as const)) {
    if (stage === "decoder") spend(work.trainingPictures * (1 + config.data.augment) * own.encode);
    const cost = stage === "vqvae" ? own.vqvaeStep : own.decoderStep;
    for (let step = 1; step <= config[stage].steps; step++) {
      const before = now();
      spend(cost);
      const isSaved = step % config.log.checkpointEvery === 0 || step === config[stage].steps;
      const steps = config[stage].steps;
      const after = plan.after(stage, step, now() - before, isSaved);
      if (after !== steps && !isSaved) unsaved.push(step);
      if (after !== config[stage].steps) throw new Error("the configuration has not what was returned");
      done[stage] = step;
      const { pictures, captions } = work.heldOut;
      const isMeasured = step % config.log.evaluateEvery === 0 || step === config.decoder.steps;
      if (stage === "decoder" && isMeasured)
        spend(pictures * own.caption + captions * BOUND_STEPS * own.bound);
    }
  }
  if (!vqvaeOnly) {
    const { pictures, captions } = work.tested(plan.scored());
    spend((work.trainingPictures + pictures + 48) * own.encode);
    spend((2 * pictures + 24) * own.caption + captions * BOUND_STEPS * own.bound);
  }
  ms += 3000;
  return { seconds: (ms - began) / 1000, config, planned, done, unsaved };
}

t.test("a run ends within a tenth of its time", async (t) => {
  const machines: Record<string, (seconds: number) => number> = {
    "as measured": () => 1,
    "twice as slow": () => 2,
    "half as slow": () => 0.5,
    "twice as slow from the middle on": (seconds) => (seconds > 120 ? 2 : 1),
    "twice as slow in the last minute": (seconds) => (seconds > 180 ? 2 : 1),
    "three times as slow for a minute": (seconds) => (seconds > 60 && seconds < 120 ? 3 : 1),
    "other work ends": (seconds) => (seconds < 100 ? 1 : 0.5),
    uneven: (seconds) => 1 + 0.5 * Math.sin(seconds),
  };
  for (const [name, slowness] of Object.entries(machines)) {
    for (const factor of [1, 4]) {
      const scaled = Object.fromEntries(
        Object.entries(costs).map(([key, value]) => [key, factor * value]),
      ) as unknown as Costs;
      const { seconds, planned, done, config } = simulate({ slowness, minutes: 4, costs: scaled });
      t.ok(seconds > 216 && seconds < 264, `${name}, costs × ${factor}: ${seconds.toFixed(1)} s of 240`);
      t.same([config.vqvae.steps, config.decoder.steps], [done.vqvae, done.decoder]);
      t.comment(`${name} × ${factor}: ${JSON.stringify({ planned, done, scored: config.log.scored })}`);
    }
  }
});

t.test("as planned where the machine is as measured, in the ratio of the preset", async (t) => {
  for (const minutes of [2, 4, 60]) {
    const { planned, done, config } = simulate({ slowness: () => 1, minutes });
    t.ok(
      Math.abs(done.decoder / planned.decoder - 1) < 0.03,
      `${planned.decoder} planned, ${done.decoder} done`,
    );
    const quick = resolveConfig({ preset: "quick" });
    const ratio = quick.decoder.steps / quick.vqvae.steps;
    t.ok(Math.abs(done.decoder / done.vqvae / ratio - 1) < 0.05, `ratio ${done.decoder / done.vqvae}`);
    t.ok(config.decoder.warmup <= 0.1 * planned.decoder + 1 && config.decoder.warmup <= quick.decoder.warmup);
    t.ok(config.log.scored >= 8 && config.log.scored <= 100);
  }
});

t.test("steps change only where a checkpoint is written, or where the time is over", async (t) => {
  const { unsaved, done } = simulate({ slowness: (seconds) => 1 + seconds / 200, minutes: 4 });
  t.ok(
    unsaved.every((step) => step === done.decoder || step === done.vqvae),
    unsaved.join(),
  );
  const stopped = simulate({ slowness: (seconds) => (seconds > 100 ? 50 : 1), minutes: 4 });
  t.same(
    stopped.config.decoder.steps,
    stopped.done.decoder,
    "the step after the time is over is the last one",
  );
  t.ok(stopped.done.decoder < stopped.planned.decoder / 2);
});

t.test("the VQ-VAE alone", async (t) => {
  const { seconds, done } = simulate({ slowness: () => 1.5, minutes: 1, vqvaeOnly: true });
  t.ok(seconds > 54 && seconds < 66, `${seconds} s`);
  t.equal(done.decoder, 0);
});

t.test("too little time is told with the time that would do", async (t) => {
  let message = "";
  try {
    simulate({ slowness: () => 1, minutes: 0.3 });
  } catch (error) {
    message = (error as Error).message;
  }
  const [, least] = /^minutes=0\.3 is too short: .* steps; give at least ([\d.]+)$/.exec(message) ?? [];
  t.ok(least, message);
  t.doesNotThrow(() => simulate({ slowness: () => 1, minutes: Number(least) }), "which does");
  t.throws(() => simulate({ slowness: () => 1, minutes: Number(least) - 0.15 }), { name: "UserError" });
});
