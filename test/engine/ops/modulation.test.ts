import { modulation } from "../../../dist/engine/ops/modulation.js";
import { zeros } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";

/** y[l, b, j] = bias[l, j] + Σ_c silu(h[b, l, c]) weight[l, c, j], from the formula. */
function reference(batch: number, layers: number, channels: number, outputs: number) {
  return (h: Float64Array, weight: Float64Array, bias: Float64Array) => {
    const y = new Float64Array(layers * batch * outputs);
    for (let l = 0; l < layers; l++) {
      for (let b = 0; b < batch; b++) {
        for (let j = 0; j < outputs; j++) {
          let sum = bias[l * outputs + j]!;
          for (let c = 0; c < channels; c++) {
            const x = h[(b * layers + l) * channels + c]!;
            sum += (x / (1 + Math.exp(-x))) * weight[(l * channels + c) * outputs + j]!;
          }
          y[(l * batch + b) * outputs + j] = sum;
        }
      }
    }
    return y;
  };
}

test("modulation: rows below, at and above a band, one layer and several", async (t, gpu) => {
  for (const [batch, layers, channels, outputs] of [
    [1, 1, 4, 4],
    [3, 2, 4, 8],
    [5, 3, 7, 4],
    [17, 2, 4, 4],
  ] as const) {
    const sizes = [batch * layers * channels, layers * channels * outputs, layers * outputs];
    const shapes = [
      [batch, layers * channels],
      [layers, channels, outputs],
      [layers, 1, outputs],
    ];
    await checkOp(t, gpu, `[${batch}, ${layers}·${channels}] → ${outputs}`, {
      inputs: shapes.map((shape, i) => ({ shape, data: randomArray(i + 1, sizes[i]!) })),
      gpu: (h, weight, bias) => modulation(h!, weight!, bias!),
      reference: (h, weight, bias) => reference(batch, layers, channels, outputs)(h!, weight!, bias!),
      tolerance: { forward: { abs: 1e-5, rel: 1e-5 }, gradient: { abs: 1e-4, rel: 1e-4 } },
    });
  }
});

test("modulation says what does not fit", async (t, gpu) => {
  const [h, weight, bias] = [zeros(gpu, [2, 12]), zeros(gpu, [2, 4, 8]), zeros(gpu, [2, 1, 8])];
  await t.throwsMessage(() => modulation(h, weight, bias), /h \[2, 12\], weight \[2, 4, 8\]/, "shapes");
  const odd = zeros(gpu, [2, 6, 6]);
  await t.throwsMessage(() => modulation(h, odd, zeros(gpu, [2, 1, 6])), /multiple of 4/, "six outputs");
  for (const tensor of [h, weight, bias, odd]) tensor.dispose();
});
