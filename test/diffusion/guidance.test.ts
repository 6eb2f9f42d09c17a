import { fullWeight, mixBranches } from "../../dist/diffusion/guidance.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { softmax } from "../reference/diffusion.js";

test("guidance mixes log-probabilities and renormalises; identities of the methods", async (t, gpu) => {
  const [batch, length, tokens] = [2, 3, 17];
  const logits = randomArray(4, 2 * batch * length * tokens, 2);
  const half = batch * length * tokens;
  const logSoftmax = (values: Float64Array) => softmax(values).map(Math.log);
  const reference = (weight: number) => {
    const out: number[] = [];
    for (let row = 0; row < batch * length; row++) {
      const full = logSoftmax(logits.subarray(row * tokens, (row + 1) * tokens));
      const partial = logSoftmax(logits.subarray(half + row * tokens, half + (row + 1) * tokens));
      out.push(...logSoftmax(partial.map((value, k) => value + weight * (full[k]! - value))));
    }
    return out;
  };
  const tensor = fromArray(gpu, logits, [2 * batch, length, tokens]);
  const mixed = async (weight: number) => mixBranches(tensor, weight).read();
  for (const weight of [0, 1, 3, -2])
    t.near(await mixed(weight), reference(weight), { abs: 3e-5, rel: 1e-5 }, `weight ${weight}`);
  t.near(
    reference(1).slice(0, tokens),
    logSoftmax(logits.subarray(0, tokens)),
    { abs: 1e-12 },
    "weight 1 is the full model",
  );
  t.equal(fullWeight({ method: "cfg", scale: 0 }), 0, "cfg 0 is the unconditional model");
  t.equal(fullWeight({ method: "cfg", scale: 1 }), 1, "cfg 1 is the conditional model");
  t.equal(fullWeight({ method: "mcs", scale: 1 }), 1, "mcs 1 is the full model");
  t.equal(fullWeight({ method: "mcs-printed", scale: 0 }), 1, "as printed, 0 is the full model");
  t.equal(
    fullWeight({ method: "mcs-printed", scale: 3 }),
    fullWeight({ method: "mcs", scale: 1 - 3 }),
    "printed(ω) = mcs(1 - ω)",
  );
  // log p = ω log p_partial + (1 - ω) log p_full, written out as printed.
  const omega = 2.5;
  const printed = Array.from({ length: batch * length }, (_, row) => {
    const full = logSoftmax(logits.subarray(row * tokens, (row + 1) * tokens));
    const partial = logSoftmax(logits.subarray(half + row * tokens, half + (row + 1) * tokens));
    return [...logSoftmax(partial.map((value, k) => omega * value + (1 - omega) * full[k]!))];
  }).flat();
  t.near(
    await mixed(fullWeight({ method: "mcs-printed", scale: omega })),
    printed,
    { abs: 3e-5, rel: 1e-5 },
    "the printed formula",
  );
  await t.throwsMessage(
    () => fullWeight({ method: "mcs", scale: Number.NaN }),
    /scale is NaN/,
    "a scale that is no number",
  );
});
