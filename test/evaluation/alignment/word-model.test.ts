/** The words of a captioner: log-probabilities and attention of hidden positions, against passes of one caption. */

import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { CaptionerWords } from "../../../dist/evaluation/alignment/word-model.js";
import { test } from "../../harness.js";
import { build, decoderOf, pictures } from "../../tiny-captioner.js";

const [length, vocabulary] = [6, 11];

test("hidden words: log-probabilities and attention of one pass each, in several parts", async (t, gpu) => {
  const captioner = build(gpu);
  const decoder = decoderOf(captioner);
  const { positions } = captioner;
  t.same([decoder.shape.length, decoder.shape.vocabulary], [length, vocabulary], "sizes");
  const codes = await captioner.encodeAll(pictures(2));
  const masked = codes.slice(0, positions);
  masked.fill(decoder.shape.codes, 1, 4);
  const own = [codes.slice(0, positions), masked, codes.slice(positions)];
  // More rows than are computed at once.
  const conditions = Array.from({ length: 30 }, (_, i) => own[i === 0 ? 0 : 1 + (i % 2)]!);
  const tokens = captioner.tokenizer.encodeFixed("a black cat with hat", length);
  const hidden = [[1], [2], [4, 1, 2]];
  t.ok(conditions.length * hidden.length > decoder.picturesAtOnce, "several parts");
  const model = new CaptionerWords(captioner);
  t.same([model.side ** 2, model.maskedCode], [positions, decoder.shape.codes], "grid");
  const { logProbabilities, attention } = await model.ask({ tokens, hidden, conditions });
  t.same([logProbabilities.length, attention.length], [30, 3], "an answer for each condition and phrase");

  const { gammaBar } = decoder.schedule;
  for (const [h, places] of hidden.entries()) {
    const t0 = gammaBar.findIndex((share, step) => step > 0 && share * length >= places.length);
    t.ok(
      gammaBar[t0]! * length >= places.length && gammaBar[t0 - 1]! * length < places.length,
      "the lowest step",
    );
    const xt = tokens.map((token, i) => (places.includes(i) ? vocabulary : token));
    const looked = gpu.scope(() =>
      noGrad(() =>
        decoder
          .attention(
            fromArray(gpu, xt, [1, length], "u32"),
            fromArray(gpu, [t0], [1], "u32"),
            fromArray(gpu, own[0]!, [1, positions], "u32"),
          )
          .keep(),
      ),
    );
    const rows = await looked.read();
    looked.dispose();
    const mean = Array.from({ length: positions }, (_, s) =>
      places.reduce((sum, i) => sum + rows[i * positions + s]! / places.length, 0),
    );
    t.near(attention[h]!, mean, { abs: 1e-6 }, `attention of ${places}`);
    for (const c of [0, 1, 2, 28]) {
      const logits = gpu.scope(() =>
        noGrad(() => {
          const condition = decoder.prepare(fromArray(gpu, conditions[c]!, [1, positions], "u32"));
          const x = fromArray(gpu, xt, [1, length], "u32");
          return decoder.forward(x, fromArray(gpu, [t0], [1], "u32"), condition).keep();
        }),
      );
      const values = await logits.read();
      logits.dispose();
      const expected = places.reduce((sum, i) => {
        const row = values.subarray(i * vocabulary, (i + 1) * vocabulary);
        const total = row.reduce((all, value) => all + Math.exp(value), 0);
        return sum + row[tokens[i]!]! - Math.log(total);
      }, 0);
      t.near([logProbabilities[c]![h]!], [expected], { abs: 2e-5 }, `log p of ${places}, condition ${c}`);
    }
  }
  t.ok(logProbabilities[0]![0] !== logProbabilities[1]![0], "masked codes change it");
  captioner.dispose();
});

test("decoders whose words cannot be hidden are refused", async (t, gpu) => {
  const uniform = build(gpu, "decoder.schedule=uniform");
  await t.throwsMessage(() => new CaptionerWords(uniform), /its schedule has no \[MASK\]/, "no mask");
  uniform.dispose();
});
