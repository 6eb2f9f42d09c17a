import { reportRows } from "../../dist/captioner/token-report.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";

for (const [rows, width, count] of [
  [1, 1, 1],
  [3, 17, 5],
  [65, 3, 3],
  [2, 300, 0],
  [5, 1741, 8],
] as const) {
  test(`the ${count} most probable of ${width} tokens in ${rows} rows`, async (t, gpu) => {
    const values = randomArray(3, rows * width, 3);
    // Equal scores: the lower index comes first.
    for (let i = 0; i + 4 < values.length; i += 7) values[i + 4] = values[i]!;
    const ids = Uint32Array.from({ length: rows }, (_, i) => (i % 3 === 2 ? width : (i * 5) % width));
    const [scores, tokens] = [fromArray(gpu, values, [rows, width]), fromArray(gpu, ids, [rows], "u32")];
    const report = reportRows(scores, tokens, count);
    const words = await report.read();
    const floats = new Float32Array(words.buffer);
    const stride = 2 + 2 * count;
    const expected = { probabilities: [] as number[], ids: [] as number[], best: [] as number[] };
    const found = { probabilities: [] as number[], ids: [] as number[], best: [] as number[] };
    for (let row = 0; row < rows; row++) {
      const own = Array.from(values.subarray(row * width, (row + 1) * width));
      const total = own.reduce((sum, value) => sum + Math.exp(value), 0);
      const order = own.map((_, k) => k).sort((a, b) => own[b]! - own[a]! || a - b);
      expected.ids.push(ids[row]!, ...order.slice(0, count));
      expected.probabilities.push(ids[row] === width ? 0 : Math.exp(own[ids[row]!]!) / total);
      expected.best.push(...order.slice(0, count).map((k) => Math.exp(own[k]!) / total));
      const at = row * stride;
      const slots = Array.from({ length: count }, (_, k) => at + 2 + 2 * k);
      found.ids.push(words[at]!, ...slots.map((slot) => words[slot]!));
      found.probabilities.push(floats[at + 1]!);
      found.best.push(...slots.map((slot) => floats[slot + 1]!));
    }
    t.same(found.ids, expected.ids, "tokens and indices");
    t.near(found.probabilities, expected.probabilities, { abs: 1e-7, rel: 1e-5 }, "probability of the token");
    t.near(found.best, expected.best, { abs: 1e-7, rel: 1e-5 }, "of the most probable");
    for (const tensor of [scores, tokens, report]) tensor.dispose();
  });
}

test("more alternatives than tokens are refused", async (t, gpu) => {
  const [scores, tokens] = [fromArray(gpu, [1, 2], [1, 2]), fromArray(gpu, [0], [1], "u32")];
  await t.throwsMessage(() => reportRows(scores, tokens, 3), /do not fit .* 3 alternatives/, "named");
  for (const tensor of [scores, tokens]) tensor.dispose();
});
