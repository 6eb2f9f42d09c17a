import { add } from "../../../dist/engine/ops/elementwise.js";
import { upsample } from "../../../dist/engine/ops/upsample.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";

const cases: { shape: [number, number, number, number]; factor: number }[] = [
  { shape: [2, 3, 2, 4], factor: 2 },
  { shape: [1, 1, 5, 3], factor: 3 },
  { shape: [3, 2, 1, 8], factor: 1 },
  { shape: [1, 2, 17, 1], factor: 2 },
];

for (const { shape, factor } of cases) {
  test(`upsample [${shape.join(", ")}] by ${factor}`, async (t, gpu) => {
    const [batch, height, width, channels] = shape;
    const enlarge = (x: Float64Array) => {
      const y = new Float64Array(x.length * factor * factor);
      let at = 0;
      for (let b = 0; b < batch; b++)
        for (let oy = 0; oy < height * factor; oy++)
          for (let ox = 0; ox < width * factor; ox++)
            for (let c = 0; c < channels; c++) {
              const pixel = (b * height + Math.floor(oy / factor)) * width + Math.floor(ox / factor);
              y[at++] = x[pixel * channels + c]!;
            }
      return y;
    };
    const input = { shape, data: randomArray(1, batch * height * width * channels) };
    const tolerance = { forward: { rel: 1e-7 }, gradient: { abs: 1e-5, rel: 1e-5 } };
    await checkOp(t, gpu, "upsample", {
      inputs: [input],
      gpu: (x) => upsample(x!, factor),
      reference: (x) => enlarge(x!),
      tolerance,
    });
    await checkOp(t, gpu, "used twice, so that gradients add up", {
      inputs: [input],
      gpu: (x) => add(upsample(x!, factor), upsample(x!, factor)),
      reference: (x) => enlarge(x!).map((value) => 2 * value),
      tolerance,
    });
  });
}

test("upsample says what does not fit", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(1, 6), [2, 3]);
  await t.throwsMessage(() => upsample(x, 2), /upsample: x tensor \[2, 3\]/, "rank");
  x.dispose();
});
