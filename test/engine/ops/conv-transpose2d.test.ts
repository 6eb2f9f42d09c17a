import { convTranspose2d } from "../../../dist/engine/ops/conv-transpose2d.js";
import { checkOp, randomArray, test } from "../../harness.js";

interface Case {
  name: string;
  size: [batch: number, height: number, width: number];
  inputs: number;
  outputs: number;
  kernel: number;
  stride: number;
  padding: number;
}

const cases: Case[] = [
  {
    name: "doubling, channels in fours",
    size: [2, 3, 2],
    inputs: 8,
    outputs: 4,
    kernel: 4,
    stride: 2,
    padding: 1,
  },
  { name: "doubling to RGB", size: [1, 2, 3], inputs: 4, outputs: 3, kernel: 4, stride: 2, padding: 1 },
  { name: "odd everything", size: [3, 1, 5], inputs: 3, outputs: 1, kernel: 3, stride: 3, padding: 0 },
  { name: "stride 1", size: [1, 4, 3], inputs: 1, outputs: 5, kernel: 3, stride: 1, padding: 1 },
];

for (const { name, size, inputs, outputs, kernel, stride, padding } of cases) {
  test(`convTranspose2d: ${name}`, async (t, gpu) => {
    const [batch, height, width] = size;
    const outHeight = (height - 1) * stride + kernel - 2 * padding;
    const outWidth = (width - 1) * stride + kernel - 2 * padding;
    const reference = (x: Float64Array, w: Float64Array) => {
      const y = new Float64Array(batch * outHeight * outWidth * outputs);
      for (let b = 0; b < batch; b++) {
        for (let iy = 0; iy < height; iy++) {
          for (let ix = 0; ix < width; ix++) {
            for (let ky = 0; ky < kernel; ky++) {
              for (let kx = 0; kx < kernel; kx++) {
                const [oy, ox] = [iy * stride + ky - padding, ix * stride + kx - padding];
                if (oy < 0 || ox < 0 || oy >= outHeight || ox >= outWidth) continue;
                for (let o = 0; o < outputs; o++) {
                  for (let i = 0; i < inputs; i++) {
                    y[((b * outHeight + oy) * outWidth + ox) * outputs + o]! +=
                      x[((b * height + iy) * width + ix) * inputs + i]! *
                      w[((ky * kernel + kx) * outputs + o) * inputs + i]!;
                  }
                }
              }
            }
          }
        }
      }
      return y;
    };
    await checkOp(t, gpu, name, {
      inputs: [
        { shape: [batch, height, width, inputs], data: randomArray(1, batch * height * width * inputs) },
        {
          shape: [kernel, kernel, outputs, inputs],
          data: randomArray(2, kernel * kernel * outputs * inputs),
        },
      ],
      gpu: (x, w) => convTranspose2d(x!, w!, { stride, padding }),
      reference: (x, w) => reference(x!, w!),
      tolerance: { forward: { abs: 1e-5 }, gradient: { abs: 1e-4 } },
    });
  });
}
