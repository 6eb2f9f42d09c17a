/** What every autoregressive decoder has to keep: the order of words, its memory, the searches, the likelihood. */

import { Rng } from "../../../dist/engine/ops/rng.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import type { Tensor } from "../../../dist/engine/tensor/tensor.js";
import { mixInputs } from "../../../dist/models/autoregressive/teacher.js";
import { type Check, test } from "../../harness.js";
import * as reference from "../../reference/autoregressive.js";
import { type Built, build, captions, generated, ids, kinds, pictures, size } from "./decoders.js";

const { vocabulary, length, side, endId } = size;
const positions = side ** 2;

/** Logits [B, L, M] of inputs by one pass. */
async function logitsOf({ decoder }: Built, inputs: number[], codes: number[]): Promise<Float32Array> {
  const { gpu } = decoder;
  const steps = decoder.shape.length;
  const logits = gpu.scope(() =>
    noGrad(() =>
      decoder.logits(
        ids(gpu, inputs, [inputs.length / steps, steps]),
        decoder.prepare(ids(gpu, codes, [codes.length / positions, positions])),
      ),
    ),
  );
  const values = await logits.read();
  logits.dispose();
  return values;
}

/** log p of each caption of at most `steps` words that the vocabulary allows, by teacher-forced passes. */
async function allCaptions(built: Built, codes: number[]): Promise<{ words: number[]; logP: number }[]> {
  const steps = built.decoder.shape.length;
  const all: number[][] = [];
  const extend = (words: number[]) => {
    if (words.length === steps) all.push(words);
    else if (words.at(-1) === endId) all.push([...words, ...new Array(steps - words.length).fill(endId)]);
    else for (let word = 0; word < vocabulary; word++) extend([...words, word]);
  };
  extend([]);
  const nats = await built.decoder.likelihood.bound(
    all.map((words) => Uint32Array.from(words)),
    all.map(() => Uint32Array.from(codes)),
    { steps: 1, seed: 0 },
  );
  return all.map((words, i) => ({ words, logP: -nats[i]! }));
}

/**
 * Beam search in float64 on logits [B, L, M] of inputs [B, L]. Returns the best caption, log p of its words, and the least distance between a candidate
 * that was kept and one that was not, or between the ranks of two that were kept.
 */
async function beamSearch(
  beams: number,
  lengthPower: number,
  logits: (inputs: number[]) => Promise<ArrayLike<number>>,
): Promise<{ words: number[]; logP: number[]; gap: number }> {
  let kept: { words: number[]; logP: number[]; sum: number }[] = [{ words: [], logP: [], sum: 0 }];
  let gap = Number.POSITIVE_INFINITY;
  for (let place = 0; place < length; place++) {
    const inputs = kept.flatMap(({ words }) =>
      reference.shifted([...words, ...new Array(length - words.length).fill(0)], length, vocabulary),
    );
    const all = await logits(inputs);
    const candidates = kept.flatMap(({ words, logP, sum }, beam) => {
      if (words.includes(endId)) return [{ words: [...words, endId], logP, sum, rank: rankOf(words, sum) }];
      const row = Array.from(
        { length: vocabulary },
        (_, k) => all[(beam * length + place) * vocabulary + k]!,
      );
      const total = Math.log(row.reduce((a, z) => a + Math.exp(z), 0));
      return row.map((z, word) => {
        const next = { words: [...words, word], logP: [...logP, z - total], sum: sum + z - total };
        return { ...next, rank: rankOf(next.words, next.sum) };
      });
    });
    candidates.sort((a, b) => b.rank - a.rank);
    for (let i = 0; i < beams && i + 1 < candidates.length; i++)
      gap = Math.min(gap, candidates[i]!.rank - candidates[i + 1]!.rank);
    kept = candidates.slice(0, beams);
  }
  return { words: kept[0]!.words, logP: kept[0]!.logP, gap };

  function rankOf(words: readonly number[], sum: number): number {
    return sum / wordsOf(words) ** lengthPower;
  }
}

const wordsOf = (words: readonly number[]) => words.indexOf(endId) + 1 || words.length;

for (const kind of kinds) {
  test(`${kind}: a word is predicted from those before it alone`, async (t, gpu) => {
    const built = build(gpu, kind, [], { scale: 1.5 });
    const inputs = reference.shifted(captions.slice(0, length), length, vocabulary);
    const codes = pictures.slice(0, positions);
    const before = await logitsOf(built, inputs, codes);
    for (let place = 0; place < length; place++) {
      const changed = inputs.map((word, i) => (i === place ? (word + 3) % vocabulary : word));
      const after = await logitsOf(built, changed, codes);
      const differs = Array.from({ length }, (_, i) =>
        before
          .subarray(i * vocabulary, (i + 1) * vocabulary)
          .some((value, k) => value !== after[i * vocabulary + k]),
      );
      t.same(
        differs,
        Array.from({ length }, (_, i) => i >= place),
        `input ${place} changes the logits from its own place on, and none before, to the bit`,
      );
    }
    built.dispose();
  });

  test(`${kind}: words one at a time, on the memory, give the logits of one pass`, async (t, gpu) => {
    const built = build(gpu, kind, ["decoder.summaryTokens=2"]);
    const { decoder } = built;
    // Two captions a picture: rows 2p and 2p + 1 are of picture p.
    const rows = 4;
    const inputs = Array.from({ length: rows * length }, (_, i) =>
      i % length === 0 ? vocabulary : (i * 5 + Math.floor(i / length)) % vocabulary,
    );
    const codes = pictures.slice(0, 2 * positions);
    const expected = await logitsOf(built, inputs, codes);
    const y = ids(gpu, codes, [2, positions]);
    const stepped = gpu.scope(() =>
      noGrad(() => {
        const prepared = decoder.prepare(y);
        let memory = decoder.start(prepared, rows);
        return Array.from({ length }, (_, place) => {
          const words = inputs.filter((_, i) => i % length === place);
          const next = decoder.step(memory, ids(gpu, words, [rows]), place, prepared);
          memory = next.memory;
          return next.logits;
        });
      }),
    );
    for (const [place, logits] of stepped.entries()) {
      const own = Array.from({ length: rows * vocabulary }, (_, i) => {
        const [row, k] = [Math.floor(i / vocabulary), i % vocabulary];
        return expected[(row * length + place) * vocabulary + k]!;
      });
      t.near(await logits.read(), own, { abs: 1e-5, rel: 1e-5 }, `the word at place ${place}`);
      logits.dispose();
    }
    y.dispose();
    built.dispose();
  });

  test(`${kind}: log p is exact, up to the first [END]`, async (t, gpu) => {
    const built = build(gpu, kind);
    const inputs = reference.shifted(captions, length, vocabulary);
    const logits = Float64Array.from(await logitsOf(built, inputs, pictures));
    const { likelihood } = built.decoder;
    const each = (values: number[], width: number) =>
      [0, 1, 2].map((i) => Uint32Array.from(values.slice(i * width, (i + 1) * width)));
    const done: number[] = [];
    const nats = await likelihood.bound(each(captions, length), each(pictures, positions), {
      ...{ steps: 1, seed: 0 },
      onBatch: (count) => done.push(count),
    });
    const expected = [0, 1, 2].map((i) => {
      const own = captions.slice(i * length, (i + 1) * length);
      const rows = logits.subarray(i * length * vocabulary, (i + 1) * length * vocabulary);
      return reference.wordLoss(rows, own, size, 0) * wordsOf(own);
    });
    t.near(nats, expected, { rel: 2e-6 }, "nats of each caption");
    t.same(done, [3], "progress");
    t.same([likelihood.prior, likelihood.steps], [0, 1], "nothing is estimated");
    // All captions of three words: a probability each, and one in total.
    const short = build(gpu, kind, [], { length: 3 });
    const all = await allCaptions(short, pictures.slice(0, positions));
    t.near(
      [all.reduce((sum, { logP }) => sum + Math.exp(logP), 0)],
      [1],
      { abs: 2e-6 },
      "all captions together have probability 1",
    );
    short.dispose();
    built.dispose();
  });

  test(`${kind}: a beam of 1 takes the likeliest next word; wide beams find the best caption`, async (t, gpu) => {
    const built = build(gpu, kind, [], { scale: 2 });
    const greedy = await generated(gpu, built.decoder, pictures, { beam: 0, temperature: 0 });
    const beam1 = await generated(gpu, built.decoder, pictures, { beam: 1 });
    t.same(beam1.words, greedy.words, "the beam of 1 and temperature 0 say the same");
    // By hand, from one-pass logits.
    for (let place = 0; place < length; place++) {
      const logits = await logitsOf(built, reference.shifted(greedy.words, length, vocabulary), pictures);
      for (let row = 0; row < 3; row++) {
        const own = greedy.words.slice(row * length, (row + 1) * length);
        const at = (row * length + place) * vocabulary;
        const best = logits.subarray(at, at + vocabulary).reduce((b, x, k, all) => (x > all[b]! ? k : b), 0);
        const ended = own.slice(0, place).includes(endId);
        t.equal(own[place], ended ? endId : best, `word ${place} of picture ${row}`);
      }
    }
    t.same(
      greedy.steps.map(({ t, u }) => [t, u]),
      [5, 4, 3, 2, 1].map((t) => [t, t - 1]),
      "a step a word",
    );
    t.same(
      greedy.steps.map(({ words }) => words.filter((word) => word === vocabulary).length),
      [12, 9, 6, 3, 0],
      "[MASK] where no word is yet",
    );
    built.dispose();

    for (const lengthPower of [0, 0.7]) {
      const set = [`${kind === "transformer" ? kind : "lstm"}.lengthPower=${lengthPower}`];
      // 60 beams of 49 two-word beginnings: nothing is ever left out.
      const short = build(gpu, kind, set, { scale: 2, length: 3 });
      for (const picture of [0, 1, 2]) {
        const codes = pictures.slice(picture * positions, (picture + 1) * positions);
        const ranked = (await allCaptions(short, codes))
          .map(({ words, logP }) => ({ words, rank: logP / wordsOf(words) ** lengthPower }))
          .sort((a, b) => b.rank - a.rank);
        t.ok(ranked[0]!.rank - ranked[1]!.rank > 1e-4, "no tie");
        const found = await generated(gpu, short.decoder, codes, { beam: 60 });
        t.same(found.words, ranked[0]!.words, `α = ${lengthPower}, picture ${picture}: the best of all`);
      }
      short.dispose();
    }
  });

  test(`${kind}: beams are those of a search by hand, guided ones too`, async (t, gpu) => {
    // Ranks by the mean of log p let short captions win, and lose, often.
    const set = [`${kind === "transformer" ? kind : "lstm"}.lengthPower=1`];
    const built = build(gpu, kind, set, { scale: 2 });
    const bias = built.decoder.parameters().find(({ name }) => name === "head.bias")!.tensor;
    const values = (await bias.read()) as Float32Array;
    const own = values[endId]!;
    const captions: number[][] = [];
    const guidance = {
      method: "cfg",
      scale: 2.5,
      maskRate: 0.1,
      maskMode: "fixed",
      maskShape: "random",
    } as const;
    for (const [beams, guided, preference] of [
      [2, false, -5],
      [3, false, 0.4],
      [2, true, 1.5],
      [3, true, 2.8],
    ] as const) {
      values[endId] = own + preference;
      bias.write(values);
      let shown: Tensor | null = null;
      const found = await generated(
        gpu,
        built.decoder,
        pictures,
        { beam: beams, ...(guided ? { guidance } : {}) },
        {
          watch: (scores) => {
            shown?.dispose();
            shown = scores.keep();
          },
        },
      );
      const scores = await shown!.read();
      shown!.dispose();
      for (const picture of [0, 1, 2]) {
        const codes = pictures.slice(picture * positions, (picture + 1) * positions);
        const hidden = codes.map(() => size.codes);
        const { words, logP, gap } = await beamSearch(beams, 1, async (inputs) => {
          const full = await logitsOf(built, inputs, codes);
          if (!guided) return full;
          const less = await logitsOf(built, inputs, hidden);
          return full.map((value, i) => less[i]! + guidance.scale * (value - less[i]!));
        });
        const which = `${beams} beams${guided ? ", guided" : ""}, picture ${picture}`;
        t.ok(gap > 1e-5, `${which}: no choice is close`);
        t.same(found.words.slice(picture * length, (picture + 1) * length), words, which);
        captions.push(words);
        const nats = logP.map((_, i) => scores[(picture * length + i) * vocabulary + words[i]!]!);
        t.near(nats, logP, { abs: 2e-4 }, `${which}: log p of its words`);
      }
    }
    const early = captions.filter((words) => words.indexOf(endId) >= 0 && words.indexOf(endId) < length - 1);
    t.ok(early.length > 0 && early.length < captions.length, `${early.length} of 12 captions end early`);
    built.dispose();
  });

  test(`${kind}: a beam of pictures together is that of each alone`, async (t, gpu) => {
    const built = build(gpu, kind, [], { scale: 2 });
    const together = await generated(gpu, built.decoder, pictures, { beam: 3 });
    for (const picture of [0, 1, 2]) {
      const codes = pictures.slice(picture * positions, (picture + 1) * positions);
      const alone = await generated(gpu, built.decoder, codes, { beam: 3 });
      t.same(
        alone.words,
        together.words.slice(picture * length, (picture + 1) * length),
        `picture ${picture}`,
      );
    }
    built.dispose();
  });

  test(`${kind}: drawn words have the probabilities of the network, with temperature and top-r`, async (t, gpu) => {
    await drawnWords(t, build(gpu, kind, [], { length: 2, scale: 1.5 }));
  });

  test(`${kind}: guidance, given words, prefixes and words that may not be`, async (t, gpu) => {
    const built = build(gpu, kind, [], { scale: 2 });
    const { decoder } = built;
    const codes = pictures.slice(0, positions);
    const guidance = {
      method: "cfg",
      scale: 3,
      maskRate: 0.1,
      maskMode: "fixed",
      maskShape: "random",
    } as const;
    const plain = await generated(gpu, decoder, codes, { beam: 1 });
    const one = await generated(gpu, decoder, codes, { guidance: { ...guidance, scale: 1 } });
    t.same(one.words, plain.words, "ω = 1 is the full condition alone");
    const zero = await generated(gpu, decoder, codes, { guidance: { ...guidance, scale: 0 } });
    const masked = await generated(gpu, decoder, new Array(positions).fill(size.codes), { beam: 1 });
    t.same(zero.words, masked.words, "ω = 0 sees nothing of the picture");
    const hidden = codes.map((_, i) => (i < 4 ? 1 : 0));
    const partial = await generated(gpu, decoder, codes, {
      guidance: { ...guidance, method: "mcs", scale: 0, hidden },
    });
    const seen = await generated(
      gpu,
      decoder,
      codes.map((code, i) => (hidden[i] ? size.codes : code)),
      { beam: 1 },
    );
    t.same(partial.words, seen.words, "mcs with ω = 0 sees what is not hidden");
    // ω = 3 by hand at the first word: log p_less + 3 (log p - log p_less).
    const guided = await generated(gpu, decoder, codes, { guidance });
    const start = new Array(length).fill(vocabulary);
    const [full, less] = [
      await logitsOf(built, start, codes),
      await logitsOf(built, start, new Array(positions).fill(size.codes)),
    ];
    const logP = (logits: Float32Array) => {
      const own = [...logits.subarray(0, vocabulary)];
      const total = Math.log(own.reduce((sum, z) => sum + Math.exp(z), 0));
      return own.map((z) => z - total);
    };
    const [p, q] = [logP(full), logP(less)];
    const mixed = p.map((value, k) => q[k]! + 3 * (value - q[k]!));
    t.equal(guided.words[0], mixed.indexOf(Math.max(...mixed)), "ω = 3: the first word");

    const filled = await generated(
      gpu,
      decoder,
      codes,
      { beam: 3 },
      {
        words: {
          at: Uint32Array.of(0, 1, 0, 1, 0),
          words: Uint32Array.of(0, 4, 0, 2, 0),
          gap: Uint32Array.of(1, 0, 1, 0, 0),
        },
      },
    );
    t.same([filled.words[1], filled.words[3]], [4, 2], "given words stay");
    t.ok(filled.words[0] !== endId && filled.words[2] !== endId, "no caption ends in a gap");
    const begun = filled.words[2]!;
    const whole = await generated(
      gpu,
      decoder,
      codes,
      { beam: 3 },
      {
        words: {
          at: Uint32Array.of(0, 1, 0, 1, 0),
          words: Uint32Array.of(0, 4, 0, 2, 0),
          gap: Uint32Array.of(1, 0, 1, 0, 0),
          ending: { at: Uint32Array.of(0, 0, 1, 0, 0), unfinished: [begun] },
        },
      },
    );
    t.ok(whole.words[2] !== begun, "no half word stands before a given one");
    const banned = plain.words.filter((word) => word !== endId);
    const others = await generated(gpu, decoder, codes, { beam: 1 }, { banned });
    t.ok(!others.words.some((word) => banned.includes(word)), "banned words do not occur");
    const from = { t: 3, tokens: [5, 5, 7, 7, 7] };
    const continued = await generated(gpu, decoder, codes, { beam: 1 }, { from });
    t.same(continued.words.slice(0, 2), [5, 5], "a prefix stays");
    t.same(
      continued.steps.map(({ t }) => t),
      [3, 2, 1],
      "and its steps are not taken again",
    );
    await t.throwsMessage(
      generated(gpu, decoder, codes, { guidance: { ...guidance, maskMode: "redrawn", maskShape: "random" } }),
      /mask cannot be redrawn between words; choose maskMode fixed/,
      "a mask redrawn",
    );
    await t.throwsMessage(
      generated(gpu, decoder, codes, { sampler: "purity" }),
      /sampler "purity" takes the steps of a diffusion; a decoder that writes word by word/,
      "a sampler of the diffusion",
    );
    await t.throwsMessage(
      generated(gpu, decoder, codes, {}, { from: { t: 6, tokens: [] } }),
      /step to go on from is 6; it must be a whole number from 1 to 5/,
      "a step that is not",
    );
    const shown: { scores: Float32Array; tokens: Uint32Array }[] = [];
    const reading: Promise<void>[] = [];
    const watched = await generated(
      gpu,
      decoder,
      codes,
      { beam: 3 },
      {
        watch: (scores, tokens) =>
          void reading.push(
            Promise.all([scores.read(), tokens.read()]).then(([scores, tokens]) => {
              shown.push({ scores, tokens });
            }),
          ),
      },
    );
    await Promise.all(reading);
    t.same([...shown.at(-1)!.tokens], watched.words, "the caller sees the best caption");
    const passes = await logitsOf(built, reference.shifted(watched.words, length, vocabulary), codes);
    const until = wordsOf(watched.words) * vocabulary;
    const expected = Array.from({ length: length }, (_, i) =>
      logP(passes.subarray(i * vocabulary, (i + 1) * vocabulary) as Float32Array),
    ).flat();
    t.near(
      shown.at(-1)!.scores.subarray(0, until),
      expected.slice(0, until),
      { abs: 1e-5, rel: 1e-5 },
      "and log p of each of its words, whichever beams it came by",
    );
    built.dispose();
  });
}

test("scheduled sampling: the share of words of the model's own rises, each in its place", async (t, gpu) => {
  const [batch, words] = [600, 5];
  const random = new Rng(gpu, 4);
  // Words and drawn words tell their place and where they are from.
  const own = (from: number) => Array.from({ length: batch * words }, (_, i) => from + (i % words));
  const [tokens, drawn] = [ids(gpu, own(10), [batch, words]), ids(gpu, own(20), [batch, words])];
  for (const [step, ramp, share] of [
    [1, 4, 0.15],
    [2, 4, 0.3],
    [9, 4, 0.6],
    [0, 0, 0.6],
  ] as const) {
    random.setStep(step);
    const word = { vocabulary: 99, endId: 0 };
    const mixed = gpu.scope(() => mixInputs(tokens, drawn, { rate: 0.6, ramp }, random, word));
    const values = [...(await mixed.read())];
    mixed.dispose();
    const isRight = values.every((value, i) => {
      const before = (i % words) - 1;
      return before < 0 ? value === 99 : value === 10 + before || value === 20 + before;
    });
    t.ok(isRight, `step ${step} of ${ramp}: the start, then words of the place before`);
    const found = values.filter((value) => value >= 20 && value < 99).length / (batch * (words - 1));
    t.ok(Math.abs(found - share) < 0.04, `a share of ${found.toFixed(3)}, expected ${share}`);
  }
  for (const tensor of [tokens, drawn]) tensor.dispose();

  // Teacher forcing and scheduled sampling have the same loss only if the second pass reads what the first drew.
  const losses: number[] = [];
  for (const rate of [0, 1]) {
    const built = build(gpu, "lstm", ["decoder.pCond=0", "decoder.pDrop=0"], { scale: 2 });
    random.setStep(1);
    const settings = {
      labelSmoothing: 0,
      scheduledSampling: rate,
      scheduledSamplingRamp: 0,
      beam: 1,
      lengthPower: 0,
    };
    const loss = gpu.scope(() =>
      built.decoder
        .objective(settings, random)
        .loss(ids(gpu, captions, [3, length]), ids(gpu, pictures, [3, positions]))
        .total.detach(),
    );
    losses.push(await loss.item());
    loss.dispose();
    built.dispose();
  }
  t.ok(
    Math.abs(losses[0]! - losses[1]!) > 1e-3,
    `the loss differs: ${losses.map((loss) => loss.toFixed(3)).join(", ")}`,
  );
  random.dispose();
});

/** First words of many captions against softmax, truncated: χ² stays below its 99.99 % point for 6 degrees of freedom. */
async function drawnWords(t: Check, built: Built): Promise<void> {
  const { decoder } = built;
  const { gpu } = decoder;
  const count = 4000;
  const codes = Array.from({ length: count * positions }, (_, i) => pictures[i % positions]!);
  const logits = (await logitsOf(built, [vocabulary, vocabulary], pictures.slice(0, positions))).subarray(
    0,
    vocabulary,
  );
  for (const { temperature, topR } of [
    { temperature: 1, topR: 1 },
    { temperature: 0.5, topR: 0.8 },
  ]) {
    const powers = Array.from(logits, (z) => Math.exp(z / temperature));
    const total = powers.reduce((sum, power) => sum + power, 0);
    const order = powers.map((_, k) => k).sort((a, b) => powers[b]! - powers[a]!);
    let mass = 0;
    const kept = new Set<number>();
    for (const k of order) {
      if (mass >= topR) break;
      mass += powers[k]! / total;
      kept.add(k);
    }
    const { words } = await generated(gpu, decoder, codes, { beam: 0, temperature, topR });
    const counts = new Array<number>(vocabulary).fill(0);
    words.forEach((word, i) => {
      if (i % 2 === 0) counts[word]!++;
    });
    const expected = powers.map((power, k) => (kept.has(k) ? (count * power) / total / mass : 0));
    t.ok(
      counts.every((n, k) => kept.has(k) || n === 0),
      `temperature ${temperature}, top-r ${topR}: no word beyond the mass`,
    );
    const chi2 = counts.reduce(
      (sum, n, k) => sum + (kept.has(k) ? (n - expected[k]!) ** 2 / expected[k]! : 0),
      0,
    );
    t.ok(chi2 < 27.9, `as often as they should be (χ² ${chi2.toFixed(1)})`);
  }
  built.dispose();
}
