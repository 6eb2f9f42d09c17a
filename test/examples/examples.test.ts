/** Every program in examples/ runs, small, and prints what it should. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { folder, names, run, sourceOf, summaryOf } from "./examples.js";

t.setTimeout(600_000);
const scratch = mkdtempSync(join(tmpdir(), "examples-"));
t.teardown(() => rmSync(scratch, { recursive: true }));
const reconstruction = join(scratch, "reconstruction.png");

/** The numbers after a word, one for each line that has it. */
const numbersAfter = (word: string, output: string) =>
  [...output.matchAll(new RegExp(`${word} (-?[\\d.]+)`, "g"))].map(([, number]) => Number(number));

/** The arguments of each run, and a check of its output: a sentence, and whether it holds. */
const runs: Record<string, { args?: string[]; checks: [string, (output: string) => boolean][] }> = {
  "caption-folder.js": {
    args: ["examples/pictures", "8"],
    checks: [
      ["each picture has a caption", (output) => (output.match(/^\w[\w-]*\.png: \S/gm) ?? []).length === 4],
      ["the waving hand is one", (output) => /^waving-hand\.png: .*\bwaving\b/m.test(output)],
    ],
  },
  "custom-op.js": {
    checks: [
      ["five gradients", (output) => numbersAfter("gradient", output).length === 5],
      [
        "gradients are the differences",
        (output) => {
          const differences = numbersAfter("differences", output);
          return numbersAfter("gradient", output).every(
            (g, i) => Math.abs(g - differences[i]!) <= 0.002 * (1 + g),
          );
        },
      ],
      ["as calculated by hand", (output) => numbersAfter("gradient", output).join() === "0,0,1.2,8,25"],
    ],
  },
  "infill.js": {
    args: ["examples/pictures/factory-worker.png", "man _ _ with light skin", "8"],
    checks: [
      ["given words stay", (output) => /^filled: +man \S+ \S+ with light skin$/m.test(output)],
      ["the free caption is another line", (output) => /^without words: \S/m.test(output)],
    ],
  },
  "score-captions.js": {
    checks: [
      [
        "a caption that is its reference has BLEU-2 1",
        (output) => /^man kneeling.*BLEU-2 1\.00$/m.test(output),
      ],
      ["one of three is exact", (output) => output.includes("exact: 0.333 of 3")],
      [
        "the mean of CIDEr-D is that of the captions",
        (output) => {
          const each = numbersAfter("CIDEr-D", output);
          const mean = Number(/CIDEr-D \(0 to 10\): ([\d.]+)/.exec(output)?.[1]);
          return each.length === 3 && Math.abs(each.reduce((a, b) => a + b) / 3 - mean) < 0.01;
        },
      ],
    ],
  },
  "share-device.js": {
    args: ["2"],
    checks: [
      ["two frames", (output) => output.split("\nframe").length === 2],
      // A bar of 8 pixels, blurred over 5: at its edge 3/5 of 255, one pixel inwards 4/5.
      [
        "the bar lies at the edge",
        (output) => output.includes("frame 0: 153 204 255 255 255 255 204 153 102 51 0 0"),
      ],
      [
        "then 8 pixels further",
        (output) => output.includes("frame 1: 0 0 0 0 0 0 51 102 153 204 255 255 255 255 204"),
      ],
    ],
  },
  "spiral-classifier.js": {
    args: ["100"],
    checks: [
      [
        "the loss falls to a tenth",
        (output) => numbersAfter("loss", output)[1]! < numbersAfter("loss", output)[0]! / 10,
      ],
      [
        "nearly all points are right",
        (output) => Number(/^(\d+) of 300 points right$/m.exec(output)?.[1]) > 280,
      ],
    ],
  },
  "stream-caption.js": {
    args: ["examples/pictures/waving-hand.png", "5"],
    checks: [
      ["five steps", (output) => output.trim().split("\n").length === 5],
      ["the last has no gap", (output) => /^ +0 {2}[^_]+ first word/m.test(output)],
      ["the first word is waving", (output) => /^ +0 .*first word: wav/m.test(output)],
    ],
  },
  "train-vqvae.js": {
    args: ["examples/pictures", "20", reconstruction],
    checks: [
      [
        "the error falls",
        (output) => numbersAfter("reconstruction", output)[1]! < numbersAfter("reconstruction", output)[0]!,
      ],
      ["64 codes", (output) => /is 8×8 codes: (\d+ ?){64}$/m.test(output)],
    ],
  },
};

t.same(Object.keys(runs).sort(), names, "every example is run");

const readme = readFileSync(join(folder, "README.md"), "utf8");

for (const name of names) {
  t.test(name, async (t) => {
    const source = sourceOf(name);
    t.ok(source.split("\n").length - 1 <= 60, "at most 60 lines");
    const imports = [...source.matchAll(/from "([^"]+)"/g)].map(([, specifier]) => specifier!);
    t.same(
      imports.filter((specifier) => !/^mc-diffusion(\/(engine|ops|nn|training|node))?$/.test(specifier)),
      [],
      "imports only doors of the package",
    );
    t.ok(
      readme.includes(`## [${name}](${name})\n\n${summaryOf(name)}\n`),
      "examples/README.md has it; `npm run examples` writes it",
    );
    const { args = [], checks } = runs[name]!;
    const { status, output, errors } = run(name, args);
    t.equal(status, 0, `runs\n${status === 0 ? "" : errors}`);
    for (const [sentence, holds] of checks) t.ok(holds(output), `${sentence}\n${output}`);
  });
}

t.test("train-vqvae.js writes the picture that it reconstructs", async (t) => {
  const { width, height } = await sharp(reconstruction).metadata();
  t.same([width, height], [32, 32]);
});
