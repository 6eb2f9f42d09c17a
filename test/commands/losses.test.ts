/** train.js on a device that is lost. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { attempt } from "../torture/attempt.js";
import type { Counted } from "../torture/injected.js";
import { differences, trainArguments } from "../torture/run.js";
import { writePictures } from "./pictures.js";
import { ownLines } from "./run.js";

t.setTimeout(900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-losses-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
const undisturbed = join(root, "undisturbed");
const countInto = join(root, "counted.json");
let submits = 0;

t.before(async () => {
  await writePictures(pictures);
  const { code, stderr } = await attempt(undisturbed, trainArguments(pictures, undisturbed), {
    injected: { countInto },
  });
  if (code !== 0) throw new Error(stderr);
  submits = (JSON.parse(readFileSync(countInto, "utf8")) as Counted).submits;
});

/** Submissions at these shares of an undisturbed run. */
const at = (...shares: number[]) => shares.map((share) => Math.floor(share * submits));

t.test("--on-loss retry goes on to the same numbers, whatever stage loses the device", async (t) => {
  const run = join(root, "retried");
  const { code, stderr } = await attempt(
    run,
    [...trainArguments(pictures, run), "--on-loss", "retry", "--quiet"],
    // What was done since the last checkpoint is done again, so that the shares lie somewhat earlier.
    { injected: { loseAfterSubmits: at(0.02, 0.2, 0.5, 0.75, 0.95) } },
  );
  t.equal(code, 0, stderr);
  const warnings = ownLines(stderr).filter((line) => line.startsWith("warning: "));
  t.equal(warnings.length, 5, stderr);
  for (const warning of warnings) {
    t.match(
      warning,
      /^warning: the GPU device was lost \(destroyed\).*; going on from (the start|\w+ step \d+) on a new device \(\d of 5 tries without another checkpoint\)$/,
    );
  }
  t.match(warnings[0], /going on from the start/, "before the first checkpoint");
  t.ok(
    warnings.some((line) => /going on from vqvae step/.test(line)),
    "in the VQ-VAE",
  );
  t.ok(
    warnings.some((line) => /going on from decoder step/.test(line)),
    "in the decoder, or later",
  );
  t.same(
    differences(run, undisturbed),
    [],
    "losses, measures, weights, samples and scores are the same to the bit",
  );
});

t.test("without it the run stops with a sentence, and can go on", async (t) => {
  const run = join(root, "stopped");
  const { code, stderr } = await attempt(run, trainArguments(pictures, run), {
    injected: { loseAfterSubmits: at(0.5) },
  });
  t.equal(code, 1);
  t.match(
    ownLines(stderr).at(-1),
    /^error: the GPU device was lost \(destroyed\).*; go on from \w+ step \d+ with: node dist\/train\.js --resume \S+stopped$/,
  );
  const resumed = await attempt(run, trainArguments(pictures, run));
  t.equal(resumed.code, 0, resumed.stderr);
  t.same(differences(run, undisturbed), []);
});

t.test("tries are bounded", async (t) => {
  const run = join(root, "bounded");
  // From the first step on: each new device is lost with its first work.
  const first = Math.floor(0.02 * submits);
  const always = Array.from({ length: 500 }, (_, i) => first + i);
  const { code, stderr } = await attempt(run, [...trainArguments(pictures, run), "--on-loss", "retry"], {
    injected: { loseAfterSubmits: always },
  });
  t.equal(code, 1);
  t.equal(stderr.match(/^warning: the GPU device was lost/gm)?.length, 5);
  t.match(
    ownLines(stderr).at(-1),
    /^error: the GPU device was lost .*; the device was opened again 5 times in a row without reaching another checkpoint/,
  );
  t.notOk(existsSync(run), "a run without a step leaves no folder");
});
