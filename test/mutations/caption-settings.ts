/** Deliberate mistakes in sampling many settings and seeds at once. */

import type { Mutation } from "./mutation.js";

const [many, foreseen] = ["captioner/caption-settings.test.ts", "diffusion/foreseen.test.ts"];
const captions = "src/captioner/caption-settings.ts";
const draws = "src/models/mc-diffusion/generate-many.ts";
const pass = "src/models/mc-diffusion/partial-pass.ts";

export const captionSettings: readonly Mutation[] = [
  {
    name: "many at once: the keys of the first picture for all",
    file: draws,
    find: "keyValues: this.#full, ownerOf: (caption) => pictures[caption]! }",
    replace: "keyValues: this.#full, ownerOf: () => 0 }",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: no condition is the code 0 everywhere",
    file: draws,
    find: ".fill(maskId)",
    replace: ".fill(0)",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: mcs hides the same positions for all seeds",
    file: draws,
    find: "const rng = drawn.rngs[i]!;",
    replace: "const rng = drawn.rngs[0 * i]!;",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: redrawn masks are those of the first step",
    file: draws,
    find: "masked(streams.steps + drawn.redraws + step)",
    replace: "masked(streams.steps + drawn.redraws + 0 * step)",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: the network is told the next step's t",
    file: draws,
    find: "const at = { xt: tokens, t: visits[i]!, rows };",
    replace: "const at = { xt: tokens, t: Math.max(1, visits[i + 1]!), rows };",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: the captions of one setting go to the next",
    file: captions,
    find: "said: said[i]! })",
    replace: "said: said[(i + 1) % settings.length]! })",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: other samplers are taken for ancestral",
    file: "src/models/mc-diffusion/generate-many.ts",
    find: 'covers: ({ sampler }) => sampler === "ancestral"',
    replace: 'covers: ({ sampler }) => sampler !== ""',
    tests: [`${many} # many settings at once: other samplers`],
  },
  {
    name: "a beam search is free of chance though masks are drawn",
    file: "src/models/autoregressive/decoder.ts",
    find: "return beam === 0 || drawsMasks(guidance);",
    replace: "return beam === 0 || (drawsMasks(guidance) && beam < 0);",
    tests: ["models/autoregressive/captioner.test.ts"],
  },
  {
    name: "many at once: all seeds are the first",
    file: captions,
    find: "const own = seed + (first",
    replace: "const own = seeds[0 * seed]! + (first",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: random numbers depend on the place within a batch of prepared pictures",
    file: captions,
    find: "(first + start + candidate) * seedsApart",
    replace: "(0 * first + start + candidate) * seedsApart",
    tests: [`${many} # a caption depends`],
  },
  {
    name: "many at once: the last block goes on with the positions of the caption before",
    file: pass,
    find: "kept.get(Math.floor(row / length))! * length",
    replace: "Math.max(0, kept.get(Math.floor(row / length))! - 1) * length",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: both branches ask with the queries of the first",
    file: pass,
    find: "branches === 1 ? 0 : branch * count",
    replace: "0 * branch",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "many at once: rows of a picture share one place",
    file: pass,
    find: "owner * most + at)",
    replace: "owner * most + 0 * at)",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "sample-step: chosen positions draw the numbers of their rank",
    file: "shaders/diffusion/sample-step.wgsl",
    find: "draw_x0(row, lane, place.y, key)",
    replace: "draw_x0(row, lane, row, key)",
    tests: [`${many} # many settings and seeds`],
  },
  {
    name: "foreseen: a token stays below the larger of its thresholds",
    file: "src/diffusion/foreseen.ts",
    find: "Math.min(other_stay, same_stay)",
    replace: "Math.max(other_stay, same_stay)",
    tests: [`${foreseen} # foreseen steps, vq-diffusion-paper`],
  },
  {
    name: "foreseen: a token is redrawn from the smaller of its thresholds",
    file: "src/diffusion/foreseen.ts",
    find: "Math.max(other_x0, same_x0)",
    replace: "Math.min(other_x0, same_x0)",
    tests: [`${foreseen} # foreseen steps, vq-diffusion-paper`, `${foreseen} # foreseen steps, uniform`],
  },
  {
    name: "foreseen: [MASK] is never left",
    file: "src/diffusion/foreseen.ts",
    find: "masked[row] = false;",
    replace: "masked[row] = masked[row]!;",
    tests: [`${foreseen} # foreseen steps, vq-diffusion-paper`],
  },
  {
    name: "foreseen: every position needs scores",
    file: "src/diffusion/foreseen.ts",
    find: "(masked[row] ? masked_stay : tokenStays)) continue;",
    replace: "0 * (masked[row] ? masked_stay : tokenStays)) continue;",
    tests: [`${foreseen} # foreseen steps, absorbing`],
  },
];
