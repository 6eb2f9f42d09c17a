/** Generation by Bit Diffusion: step by step against float64, and with a perfect network against the data. */

import { add, mul } from "../../../dist/engine/ops/elementwise.js";
import { embedding } from "../../../dist/engine/ops/embedding.js";
import { matmul } from "../../../dist/engine/ops/matmul.js";
import { PhiloxStream } from "../../../dist/engine/ops/philox.js";
import { softmax } from "../../../dist/engine/ops/softmax.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { codeWords } from "../../../dist/models/bit-diffusion/analog-bits.js";
import type { BitDiffusion } from "../../../dist/models/bit-diffusion/bit-diffusion.js";
import { gamma } from "../../../dist/models/bit-diffusion/gaussian.js";
import type { BitDiffusionSettings } from "../../../dist/models/bit-diffusion/settings.js";
import type { GenerateOptions, GivenWords } from "../../../dist/models/caption-decoder.js";
import type { SamplingSettings } from "../../../dist/models/sampling-settings.js";
import { test } from "../../harness.js";
import { chiSquareZ } from "../../reference/statistics.js";
import { build, settings, shape } from "./setup.js";

const bits = 3;
const batch = 2;
const { length, vocabulary } = shape;
const codes = [0, 1, 2, 3, 4, 5, 0, 1, 2, 5, 5, 1, 3, 2, 0, 5, 0, 0];
const hidden = [1, 0, 0, 1, 1, 0, 0, 0, 1];
const words = codeWords(vocabulary);

const sampling: SamplingSettings = {
  steps: 5,
  guidance: { method: "none", scale: 2, maskRate: 0.5, maskMode: "fixed", maskShape: "random", hidden },
  topR: 0.5,
  temperature: 1,
  last: "sample",
  allowUnknown: false,
  sampler: "ancestral",
  remask: 0,
  candidates: 1,
  seed: 11,
};

/** What a step shows: tokens [B, L] and the scores of all tokens [B, L, M]. */
interface Shown {
  tokens: number[];
  scores: number[];
}

async function generated(
  decoder: BitDiffusion,
  own: SamplingSettings,
  options: Partial<GenerateOptions> = {},
): Promise<Shown[]> {
  const { gpu } = decoder;
  const y = fromArray(gpu, codes, [batch, 9], "u32").keep();
  const scores: Tensor[] = [];
  const shown: Shown[] = [];
  const steps = decoder.generate(y, own, {
    endId: 0,
    ...options,
    watch: (values) => void scores.push(values.alias().keep()),
  });
  for (const { tokens } of steps) {
    const seen = scores.pop()!;
    shown.push({ tokens: [...(await tokens.read())], scores: [...(await seen.read())] });
    seen.dispose();
  }
  y.dispose();
  return shown;
}

/** The same in float64, straight from the equations. */
function reference(
  forward: ReturnType<typeof build>["forward"],
  own: BitDiffusionSettings,
  { steps, guidance, temperature, seed }: SamplingSettings,
  given: GivenWords | null,
  banned: readonly number[],
): Shown[] {
  const size = batch * length * bits;
  const level = (t: number) => gamma(own.schedule, t);
  const noise = (stream: number) => [...new PhiloxStream(seed, stream, 0).normal(size, temperature)];
  const partial = codes.map((code, i) => (guidance.method === "cfg" || hidden[i % 9] ? shape.codes : code));
  const word = (i: number) => words[given!.words[Math.floor(i / bits) % length]! * bits + (i % bits)]!;
  const isGiven = (i: number) => given?.at[Math.floor(i / bits) % length] === 1;
  const squared = own.loss === "squared-error";
  let state = noise(0);
  let estimate = new Array<number>(size).fill(0);
  const shown: Shown[] = [];
  for (let k = 0; k < steps; k++) {
    const t = Math.round((shape.timesteps * (steps - k)) / steps);
    const next = Math.round((shape.timesteps * (steps - k - 1)) / steps);
    const levelT = level(t / shape.timesteps);
    const levelS = level(Math.max(next / shape.timesteps - own.timeDifference / steps, 0));
    const fresh = noise(2 + 3 * k + 1);
    state = state.map((x, i) =>
      isGiven(i) ? Math.sqrt(levelT) * word(i) + Math.sqrt(1 - levelT) * fresh[i]! : x,
    );
    const input = Array.from({ length: batch * length }, (_, row) => [
      ...state.slice(row * bits, (row + 1) * bits),
      ...estimate.slice(row * bits, (row + 1) * bits),
    ]).flat();
    const full = forward(input, [t, t], codes);
    const less = forward(input, [t, t], partial);
    const weight = guidance.method === "none" ? 1 : guidance.scale;
    const output = Array.from(full, (x, i) => less[i]! + weight * (x - less[i]!));
    const clean = output.map((x, i) => {
      if (isGiven(i)) return word(i);
      return squared ? Math.max(-1, Math.min(1, x)) : 2 / (1 + Math.exp(-x)) - 1;
    });
    const drawn = noise(2 + 3 * k);
    state = state.map((x, i) => {
      if (levelS === 1) return clean[i]!;
      if (own.step === "ddim") {
        const predicted = (x - Math.sqrt(levelT) * clean[i]!) / Math.sqrt(1 - levelT);
        return Math.sqrt(levelS) * clean[i]! + Math.sqrt(1 - levelS) * predicted;
      }
      // In log-SNR, as public code has it.
      const snr = (l: number) => Math.log(l / (1 - l));
      const c = 1 - Math.exp(snr(levelT) - snr(levelS));
      const mean = Math.sqrt(levelS) * ((x * (1 - c)) / Math.sqrt(levelT) + c * clean[i]!);
      return mean + Math.sqrt((1 - levelS) * c) * drawn[i]!;
    });
    estimate = clean;
    const odds = output.map((x) => {
      if (!squared) return x;
      const mean = Math.max(-0.9999, Math.min(0.9999, x));
      return Math.log((1 + mean) / (1 - mean));
    });
    const tokens: number[] = [];
    const scores: number[] = [];
    for (let row = 0; row < batch * length; row++) {
      let [best, least] = [-1, Number.POSITIVE_INFINITY];
      for (let id = 0; id < vocabulary; id++) {
        const gone = banned.includes(id) || (id === 0 && given?.gap[row % length] === 1);
        let [distance, score] = [0, gone ? -1e4 : 0];
        for (let j = 0; j < bits; j++) {
          distance += (clean[row * bits + j]! - words[id * bits + j]!) ** 2;
          score += (odds[row * bits + j]! * words[id * bits + j]!) / 2;
        }
        scores.push(score);
        if (!gone && distance < least) [best, least] = [id, distance];
      }
      tokens.push(best);
    }
    shown.push({ tokens, scores });
  }
  return shown;
}

const given: GivenWords = {
  at: Uint32Array.of(0, 1, 0, 0, 1),
  words: Uint32Array.of(0, 4, 0, 0, 2),
  gap: Uint32Array.of(1, 0, 0, 0, 0),
};

for (const [title, own, more, words, banned] of [
  ["DDIM", {}, {}, null, []],
  [
    "DDPM, squared error, sigmoid schedule",
    { step: "ddpm", loss: "squared-error", schedule: "sigmoid" },
    {},
    null,
    [],
  ],
  ["DDPM, half the noise", { step: "ddpm" }, { temperature: 0.5, steps: 10 }, null, []],
  [
    "classifier-free guidance, squared error",
    { loss: "squared-error" },
    { guidance: { method: "cfg" } },
    null,
    [],
  ],
  [
    "masked condition, intervals longer by 1.5 steps",
    { timeDifference: 1.5 },
    { guidance: { method: "mcs" } },
    null,
    [],
  ],
  ["given words, a gap, a banned token", {}, {}, given, [3]],
] as [string, Partial<BitDiffusionSettings>, object, GivenWords | null, number[]][]) {
  test(`the way from noise to a caption against float64: ${title}`, async (t, gpu) => {
    const { decoder, forward } = build(gpu, own);
    const guidance = { ...sampling.guidance, ...(more as { guidance?: object }).guidance };
    const full = { ...sampling, ...more, guidance };
    const shown = await generated(decoder, full, { words, banned });
    const expected = reference(forward, { ...settings, ...own }, full, words, banned);
    t.equal(shown.length, full.steps, "every step is shown");
    shown.forEach(({ tokens, scores }, i) => {
      t.near(scores, expected[i]!.scores, { abs: 2e-3, rel: 1e-3 }, `scores of step ${i + 1}`);
      t.same(tokens, expected[i]!.tokens, `tokens of step ${i + 1}`);
    });
    t.ok(new Set(shown.flatMap(({ tokens }) => tokens)).size > 1, "different tokens");
    if (words) {
      const last = shown.at(-1)!.tokens;
      t.same([last[1], last[4], last[6], last[9]], [4, 2, 4, 2], "the given words stand where they were put");
      t.ok(!last.includes(3) && last[0] !== 0 && last[5] !== 0, "no banned token, no end in the gap");
    }
    decoder.dispose();
  });
}

test("a perfect network gives the data back", async (t, gpu) => {
  // Captions of two tokens of 3, strongly correlated; code word 3 belongs to no token.
  const data = [0.3, 0.02, 0.03, 0.01, 0.25, 0.04, 0.05, 0.1, 0.2];
  const size = { vocabulary: 3, length: 2, timesteps: 100 };
  const captions = data.map((_, s) => [Math.floor(s / 3), s % 3]);
  const code = codeWords(3);
  const points = captions.map((ids) => ids.flatMap((id) => [code[2 * id]!, code[2 * id + 1]!]));
  for (const step of ["ddpm", "ddim"] as const) {
    const { decoder } = build(gpu, { step, loss: "squared-error" }, size);
    const table = fromArray(gpu, points.flat(), [9, 4]).keep();
    const prior = fromArray(gpu, data.map(Math.log), [9]).keep();
    /** √γ / (1 − γ) by step. */
    const factor = fromArray(
      gpu,
      Array.from({ length: 101 }, (_, time) => {
        const level = gamma("cosine", time / 100);
        return Math.sqrt(level) / (1 - level || 1);
      }),
      [101, 1],
    ).keep();
    // E[x_0 | x_t]: the data's points by their posterior, ∝ p exp(√γ/(1−γ) x_t·c), all points being equally long.
    decoder.forward = (input, time) => {
      const rows = time.shape[0]!;
      const noisy = (input as Tensor).slice(2, 0, 2).dense().reshape([rows, 4]);
      const products = matmul(noisy, table, { transposeB: true });
      const posterior = softmax(add(mul(products, embedding(factor, time)), prior));
      return matmul(posterior, table).reshape([rows, 2, 2]);
    };
    const pictures = 500;
    const y = fromArray(gpu, new Uint32Array(pictures * 9), [pictures, 9], "u32").keep();
    const own = { ...sampling, steps: 100, guidance: { ...sampling.guidance, hidden: undefined } };
    let last: Tensor<"u32"> | null = null;
    for (const { u, tokens } of decoder.generate(y, own as SamplingSettings, { endId: 0 }))
      if (u === 0) last = tokens.alias();
    const drawn = await last!.read();
    const counts = new Array<number>(9).fill(0);
    for (let i = 0; i < pictures; i++) counts[3 * drawn[2 * i]! + drawn[2 * i + 1]!]!++;
    // Steps of finite length change the distribution a little: by less than these draws can show.
    const z = chiSquareZ(counts, data);
    t.ok(z < 3.3, `${step}: captions follow the data (z = ${z.toFixed(2)}): ${counts}`);
    for (const owned of [last!, y, table, prior, factor, decoder]) owned.dispose();
  }
});

test("generation gives its memory back, and refuses what it cannot do", async (t, gpu) => {
  const { decoder } = build(gpu);
  const y = fromArray(gpu, codes, [batch, 9], "u32").keep();
  const before = gpu.memory.liveBytes;
  const own = {
    ...sampling,
    guidance: { ...sampling.guidance, method: "mcs", maskMode: "redrawn", maskShape: "random" },
  } as const;
  for (const _ of decoder.generate(y, own, { endId: 0, words: given, banned: [3], attention: true }));
  const early = decoder.generate(y, own, { endId: 0 });
  early.next();
  early.return();
  t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  await t.throwsMessage(
    () => decoder.generate(y, sampling, { endId: 0, from: { t: 3, tokens: [0, 0, 0, 0, 0] } }).next(),
    /cannot go on from tokens/,
    "from tokens",
  );
  await t.throwsMessage(
    () => decoder.generate(y, { ...sampling, steps: 11 }, { endId: 0 }).next(),
    /11 steps is not possible; choose a whole number from 1 to 10/,
    "more steps than T",
  );
  await t.throwsMessage(
    () => decoder.generate(y, { ...sampling, sampler: "purity" }, { endId: 0 }).next(),
    /sampler "purity" draws tokens; a bit-diffusion decoder takes its steps by bitDiffusion.step/,
    "a sampler of tokens",
  );
  y.dispose();
  decoder.dispose();
});
