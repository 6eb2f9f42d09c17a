/** Every program in examples/ runs, small, and prints what it should. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { folder, foreignNumber, foreignWeights, names, run, sourceOf, summaryOf } from "./examples.js";

t.setTimeout(600_000);
const scratch = mkdtempSync(join(tmpdir(), "examples-"));
t.teardown(() => rmSync(scratch, { recursive: true }));
const reconstruction = join(scratch, "reconstruction.png");

/** The numbers after a word, one for each line that has it. */
const numbersAfter = (word: string, output: string) =>
  [...output.matchAll(new RegExp(`${word} (-?[\\d.]+)`, "g"))].map(([, number]) => Number(number));

/** What the network of foreign-weights.js gives, from the file's own layouts: [out, in, height, width] and [out, in]. */
function foreignScores(): number[] {
  const tensor = (length: number) => Array.from({ length }, (_, i) => foreignNumber(i, length));
  const [kernels, kernelBias, rows, rowBias] = [18, 2, 6, 3].map(tensor) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const features = kernelBias.map((bias, o) => {
    let sum = 0;
    for (let y = 0; y < 2; y++)
      for (let x = 0; x < 2; x++) {
        let value = bias;
        for (let ky = 0; ky < 3; ky++)
          for (let kx = 0; kx < 3; kx++)
            value += kernels[o * 9 + ky * 3 + kx]! * (((y + ky) * 4 + x + kx) / 16);
        sum += Math.max(0, value);
      }
    return sum / 4;
  });
  return rowBias.map((bias, o) => bias + rows[2 * o]! * features[0]! + rows[2 * o + 1]! * features[1]!);
}

/** The arguments of each run, and a check of its output: a sentence, and whether it holds. */
const runs: Record<string, { args?: string[]; checks: [string, (output: string) => boolean][] }> = {
  "caption-folder.js": {
    args: ["examples/pictures", "8"],
    checks: [
      ["each picture has a caption", (output) => (output.match(/^\w[\w-]*\.png: \S/gm) ?? []).length === 4],
      ["the waving hand is one", (output) => /^waving-hand\.png: .*\bwaving\b/m.test(output)],
    ],
  },
  "custom-kernel.js": {
    checks: [
      ["x / (1 + |x|)", (output) => output.startsWith("-0.7500 -0.5000 0.0000 0.3333 0.8000 0.9901\n")],
      ["gradients are right", (output) => /^tensor \[2, 3\]: right$/m.test(output)],
    ],
  },
  "custom-op.js": {
    checks: [
      [
        "gradients as calculated by hand",
        (output) => output.startsWith("gradient of Σ w·y: 0.000 0.000 1.200 8.000 25.000\n"),
      ],
      ["and as finite differences", (output) => output.includes("\ngradients are right\n")],
    ],
  },
  "foreign-weights.js": {
    checks: [
      ["names in the file", (output) => /^4\.weight: F32 \[3, 2\]$/m.test(output)],
      [
        "the scores of the network as PyTorch defines it",
        (output) => {
          const scores = /^scores: (.*)$/m.exec(output)![1]!.split(" ").map(Number);
          return foreignScores().every((expected, i) => Math.abs(scores[i]! - expected) < 1e-4);
        },
      ],
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
    const imports = [...source.matchAll(/^(?:import .*|\}) from "([^"]+)";$/gm)].map(
      ([, specifier]) => specifier!,
    );
    t.same(
      imports.filter(
        (specifier) => !/^(mc-diffusion(\/(engine|ops|nn|training|metrics|node))?|node:.*)$/.test(specifier),
      ),
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

t.test("the file of foreign-weights.js", async (t) => {
  const file = readFileSync(join(folder, "foreign-weights.safetensors"));
  t.ok(file.equals(foreignWeights()), "is what `npm run examples` writes");
});

t.test("train-vqvae.js writes the picture that it reconstructs", async (t) => {
  const { width, height } = await sharp(reconstruction).metadata();
  t.same([width, height], [32, 32]);
});
