/** Random numbers of a process's part of a batch: those that its samples have in the whole batch. */

import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { PartRng } from "../../dist/training/part-rng.js";
import { randomArray, test } from "../harness.js";

/** Samples of the whole batch, and numbers of each: an odd number, so that parts end within a workgroup. */
const [samples, each] = [8, 5];

const draws: Readonly<Record<string, (rng: Rng, count: number) => Tensor>> = {
  uniform: (rng, count) => rng.uniform([count, each]),
  uniformSymmetric: (rng, count) => rng.uniformSymmetric([count, each]),
  normal: (rng, count) => rng.normal([count, each]),
  gumbel: (rng, count) => rng.gumbel([count, each]),
  bernoulli: (rng, count) => rng.bernoulli([count, each], 0.4),
};

for (const [name, draw] of Object.entries(draws)) {
  test(`${name}: parts draw what the whole batch draws`, async (t, gpu) => {
    const whole = new Rng(gpu, 7);
    whole.setStep(3);
    whole.nextStream();
    const expected = await gpu.scope(() => draw(whole, samples)).read();
    t.ok(new Set(expected).size > 1, "the numbers differ");
    for (const parts of [1, 2]) {
      const drawn: number[] = [];
      for (let index = 0; index < parts; index++) {
        const rng = new PartRng(gpu, 7, index);
        rng.setStep(3);
        rng.nextStream();
        drawn.push(...(await gpu.scope(() => draw(rng, samples / parts)).read()));
        rng.dispose();
      }
      t.same(drawn, [...expected], `${parts} parts`);
    }
    whole.dispose();
  });

  test(`${name}: a part of another size than a multiple of 4 is refused`, async (t, gpu) => {
    const rng = new PartRng(gpu, 7, 1);
    for (const count of [1, 2, 3])
      await t.throwsMessage(
        () => gpu.scope(() => draw(rng, count)),
        new RegExp(
          `random numbers \\[${count}, ${each}\\] .* should be a multiple of 4; choose decoder\\.batch`,
        ),
        `${count} samples of ${each}`,
      );
    rng.dispose();
  });
}

test("categorical: parts draw what the whole batch draws, whatever their size", async (t, gpu) => {
  const [rows, width] = [6, 5];
  const logits = randomArray(1, rows * width);
  const choose = (rng: Rng, from: number, count: number) =>
    gpu
      .scope(() =>
        rng.categorical(fromArray(gpu, logits.slice(from * width, (from + count) * width), [count, width])),
      )
      .read();
  const whole = new Rng(gpu, 7);
  const expected = [...(await choose(whole, 0, rows))];
  for (const parts of [2, 3, 6]) {
    const drawn: number[] = [];
    const count = rows / parts;
    for (let index = 0; index < parts; index++) {
      const rng = new PartRng(gpu, 7, index);
      drawn.push(...(await choose(rng, index * count, count)));
      rng.dispose();
    }
    t.same(drawn, expected, `${parts} parts`);
  }
  whole.dispose();
});
