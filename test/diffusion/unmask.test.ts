import { unmask } from "../../dist/diffusion/unmask.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";

test("unmask takes the best masked positions, of equal ones the first", async (t, gpu) => {
  for (const [batch, width, keep] of [
    [1, 1, 0],
    [7, 3, 1],
    [5, 12, 4],
    [3, 65, 70],
    [40, 9, 0],
  ] as const) {
    const maskId = 4;
    const rough = randomArray(batch, batch * width, 2);
    const keys = Float32Array.from(rough, (x) => Math.round(x));
    const xt = Uint32Array.from(rough, (x, i) => (i % 3 === 1 ? Math.floor(Math.abs(x)) % maskId : maskId));
    const words = Uint32Array.from(rough, (_, i) => i % maskId);
    const expected = Uint32Array.from(xt);
    for (let row = 0; row < batch; row++) {
      const masked = Array.from({ length: width }, (_, i) => row * width + i).filter((i) => xt[i] === maskId);
      masked.sort((a, b) => keys[b]! - keys[a]! || a - b);
      for (const i of masked.slice(0, Math.max(0, masked.length - keep))) expected[i] = words[i]!;
    }
    const of = (values: Uint32Array) => fromArray(gpu, values, [batch, width], "u32");
    const drawn = gpu.scope(() =>
      unmask(fromArray(gpu, keys, [batch, width]), of(words), of(xt), { keep, maskId, copies: 2 }),
    );
    t.same([...drawn.shape], [2 * batch, width], "two copies");
    t.same([...(await drawn.read())], [...expected, ...expected], `${batch}×${width}, ${keep} stay masked`);
    drawn.dispose();
  }
  await t.throwsMessage(
    () =>
      gpu.scope(() =>
        unmask(
          fromArray(gpu, [1, 2], [1, 2]),
          fromArray(gpu, [1], [1, 1], "u32"),
          fromArray(gpu, [1, 2], [1, 2], "u32"),
          { keep: 0, maskId: 4 },
        ),
      ),
    /do not fit \[B, L\]/,
    "too few words",
  );
});
