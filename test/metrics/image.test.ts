import { psnr, ssim } from "../../dist/metrics/image.js";
import type { RgbImage } from "../../dist/platform/platform.js";
import { randomArray, test } from "../harness.js";

function picture(side: number, value: (x: number, y: number, channel: number) => number): RgbImage {
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let channel = 0; channel < 3; channel++) data[(y * side + x) * 3 + channel] = value(x, y, channel);
  return { width: side, height: side, data };
}

test("psnr of known errors", (t) => {
  const grey = picture(12, () => 100);
  t.equal(psnr(grey, grey), Number.POSITIVE_INFINITY, "equal pictures");
  // Mean squared error 1: 20·log10(255).
  t.near(
    [
      psnr(
        grey,
        picture(12, () => 101),
      ),
    ],
    [48.1308036086791],
    { abs: 1e-9 },
    "off by one everywhere",
  );
  // One channel of three off by 30: mean squared error 300.
  const red = picture(12, (_x, _y, channel) => (channel === 0 ? 130 : 100));
  t.near([psnr(grey, red)], [10 * Math.log10(255 ** 2 / 300)], { abs: 1e-9 }, "one channel");
});

test("ssim of known pictures", async (t) => {
  const noise = randomArray(1, 16 * 16 * 3, 40);
  const texture = picture(16, (x, y, channel) => 128 + noise[(y * 16 + x) * 3 + channel]!);
  t.near([ssim(texture, texture)], [1], { abs: 1e-12 }, "equal pictures");
  // Flat pictures have no variance: (2ab + C₁)/(a² + b² + C₁).
  const c1 = (0.01 * 255) ** 2;
  const [a, b] = [60, 90];
  t.near(
    [
      ssim(
        picture(11, () => a),
        picture(11, () => b),
      ),
    ],
    [(2 * a * b + c1) / (a * a + b * b + c1)],
    { abs: 1e-9 },
    "flat pictures of two shades",
  );
  // A single window: the same formula with weighted sums written out.
  const side = 11;
  const other = picture(side, (x, y, channel) => (x * 37 + y * 91 + channel * 13) % 256);
  const first = picture(side, (x, y, channel) => (x * x * 3 + y * 55 + channel * 101) % 256);
  const weight = (x: number, y: number) => Math.exp(-((x - 5) ** 2 + (y - 5) ** 2) / 4.5);
  let total = 0;
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) total += weight(x, y);
  let expected = 0;
  for (let channel = 0; channel < 3; channel++) {
    let [ma, mb, va, vb, covariance] = [0, 0, 0, 0, 0];
    for (const pass of [0, 1])
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++) {
          const w = weight(x, y) / total;
          const p = first.data[(y * side + x) * 3 + channel]!;
          const q = other.data[(y * side + x) * 3 + channel]!;
          if (pass === 0) {
            ma += w * p;
            mb += w * q;
          } else {
            va += w * (p - ma) ** 2;
            vb += w * (q - mb) ** 2;
            covariance += w * (p - ma) * (q - mb);
          }
        }
    const c2 = (0.03 * 255) ** 2;
    expected +=
      ((2 * ma * mb + c1) * (2 * covariance + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2)) / 3;
  }
  t.near([ssim(first, other)], [expected], { abs: 1e-9 }, "one window, written out");
  await t.throwsMessage(
    () =>
      ssim(
        picture(10, () => 0),
        picture(10, () => 0),
      ),
    /10×10 .* 11×11/,
    "too small",
  );
  await t.throwsMessage(() => psnr(texture, other), /16×16 and 11×11/, "sizes differ");
});
