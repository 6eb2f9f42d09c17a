import { groupNorm } from "../../../dist/engine/ops/group-norm.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { referenceGroupNorm } from "../../reference/group-norm.js";

const tolerance = { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 2e-4, rel: 2e-4 } };

const cases = [
  { shape: [2, 3, 3, 4], groups: 1 },
  { shape: [1, 2, 5, 8], groups: 2 },
  { shape: [3, 4, 6], groups: 3 },
  { shape: [2, 1, 3, 17], groups: 17 },
  { shape: [1, 65, 3], groups: 1 },
  { shape: [2, 70, 4], groups: 2 },
];

for (const { shape, groups } of cases) {
  for (const activation of ["none", "silu"] as const) {
    test(`group norm [${shape.join(", ")}] in ${groups} groups, ${activation}`, async (t, gpu) => {
      const channels = shape.at(-1)!;
      const size = shape.reduce((a, b) => a * b, 1);
      const batch = shape[0]!;
      const sizes = { batch, pixels: size / batch / channels, channels, groups };
      await checkOp(t, gpu, "groupNorm", {
        inputs: [
          { shape, data: randomArray(1, size) },
          { shape: [channels], data: randomArray(2, channels) },
          { shape: [channels], data: randomArray(3, channels) },
        ],
        gpu: (x, w, b) => groupNorm(x!, groups, w!, b!, { activation }),
        reference: (x, w, b) => referenceGroupNorm(sizes, x!, w!, b!, { silu: activation === "silu" }),
        tolerance,
      });
    });
  }
}

test("group norm keeps its digits when the mean is large", async (t, gpu) => {
  const x = randomArray(4, 2 * 200 * 8).map((value) => 1000 + value);
  const ones = new Float64Array(8).fill(1);
  const zeros = new Float64Array(8);
  const input = fromArray(gpu, x, [2, 200, 8]);
  const rounded = Float64Array.from(await input.read());
  const [w, b] = [fromArray(gpu, ones, [8]), fromArray(gpu, zeros, [8])];
  const y = groupNorm(input, 2, w, b);
  const sizes = { batch: 2, pixels: 200, channels: 8, groups: 2 };
  t.near(
    await y.read(),
    referenceGroupNorm(sizes, rounded, ones, zeros),
    { abs: 5e-4 },
    "values near 1000 ± 1",
  );
  for (const tensor of [input, w, b, y]) tensor.dispose();
});

test("group norm adds to gradients that are there", async (t, gpu) => {
  const leaves = [[1, 3, 4], [4], [4]].map((shape, i) =>
    fromArray(
      gpu,
      randomArray(
        i,
        shape.reduce((a, b) => a * b, 1),
      ),
      shape,
    ).requireGrad(),
  );
  const dy = fromArray(gpu, randomArray(9, 12), leaves[0]!.shape);
  const pass = () => gpu.scope(() => backwardFrom(groupNorm(leaves[0]!, 2, leaves[1]!, leaves[2]!), dy));
  pass();
  const once = await Promise.all(leaves.map((leaf) => leaf.grad!.read()));
  pass();
  for (const [i, leaf] of leaves.entries())
    t.near(
      await leaf.grad!.read(),
      once[i]!.map((value) => 2 * value),
      { abs: 1e-6, rel: 1e-6 },
      `input ${i}`,
    );
  for (const leaf of leaves) {
    leaf.grad!.dispose();
    leaf.dispose();
  }
  dy.dispose();
});

test("group norm says what does not fit", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(1, 12), [1, 2, 6]);
  const w = fromArray(gpu, randomArray(2, 4), [4]);
  await t.throwsMessage(() => groupNorm(x, 4, w, w), /groupNorm: 6 channels .* in 4 groups/, "groups");
  await t.throwsMessage(() => groupNorm(x, 3, w, w), /weight tensor \[4\] .* for 6 channels/, "weight");
  x.dispose();
  w.dispose();
});
