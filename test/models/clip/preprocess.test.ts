/** Preprocessing against Pillow and torchvision: test/vectors/clip-preprocess. */

import { readFile } from "node:fs/promises";
import sharp from "sharp";
import t from "tap";
import { clipCrop, clipNormalised } from "../../../dist/models/clip/preprocess.js";
import { resizeBicubic } from "../../../dist/models/clip/resize.js";
import { decodePixels } from "../../../dist/platform/node.js";
import { worst } from "./support.js";

const folder = new URL("../../../test/vectors/clip-preprocess/", import.meta.url);
const bytesOf = async (name: string) => new Uint8Array(await readFile(new URL(name, folder)));

interface Expected {
  size: number;
  pictures: {
    file: string;
    mode: string;
    width: number;
    height: number;
    expected: string;
    mean: number[];
    normalised: { row: number; column: number; rgb: number[] }[];
  }[];
}

const { size, pictures } = JSON.parse(new TextDecoder().decode(await bytesOf("expected.json"))) as Expected;

for (const { file, mode, width, height, expected, normalised } of pictures) {
  t.test(`${file} (${mode}) as Pillow resizes and crops it`, async (t) => {
    const pixels = await decodePixels(await bytesOf(file));
    t.same([pixels.width, pixels.height, pixels.palette], [width, height, mode === "P"], "decoded");
    const rgb = clipCrop(pixels, size);
    const wanted = (await decodePixels(await bytesOf(expected))).data;
    t.equal(rgb.length, size * size * 3);
    t.equal(worst(rgb, wanted), 0, "no difference");
    const numbers = clipNormalised(rgb);
    for (const { row, column, rgb } of normalised) {
      const at = (row * size + column) * 3;
      t.ok(worst(numbers.subarray(at, at + 3), rgb) <= 1e-6, `normalised at ${row}, ${column}`);
    }
  });
}

t.test("a library's bicubic resize is farther off: the reason for our own", async (t) => {
  // Tolerance of the vectors: a mean of 0.2 levels and a largest of 16.
  const means: number[] = [];
  for (const [file, wide, high, left, top] of [
    ["a-37x53", 224, 320, 0, 48],
    ["b-300x200", 336, 224, 56, 0],
  ] as const) {
    const data = await sharp(await bytesOf(`${file}.png`))
      .resize(wide, high, { fit: "fill", kernel: "cubic" })
      .extract({ left, top, width: size, height: size })
      .raw()
      .toBuffer();
    const wanted = (await decodePixels(await bytesOf(`${file}.224.png`))).data;
    means.push(wanted.reduce((sum, value, i) => sum + Math.abs(value - data[i]!), 0) / wanted.length);
  }
  t.comment(`sharp's cubic: mean differences ${means.map((mean) => mean.toFixed(2)).join(", ")}`);
  t.ok(means.every((mean) => mean > 1));
});

t.test("sizes: the longer side is rounded down, offsets half to even; equal sizes stay", async (t) => {
  const data = Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => (i * 89) % 256);
  const same = { width: 5, height: 4, left: 0, top: 0, columns: 5, rows: 4 };
  t.same(resizeBicubic({ width: 5, height: 4, data }, same), data, "the same size is a copy");
  // A crop of 4 from 5: the offset 0.5 becomes 0; of 4 from 7: 1.5 becomes 2.
  const cropped = clipCrop({ width: 5, height: 4, data }, 4);
  t.same(cropped.subarray(0, 12), data.subarray(0, 12), "0.5 becomes 0");
  const wide = Uint8Array.from({ length: 7 * 4 * 3 }, (_, i) => (i * 89) % 256);
  t.same(
    clipCrop({ width: 7, height: 4, data: wide }, 4).subarray(0, 12),
    wide.subarray(6, 18),
    "1.5 becomes 2",
  );
});

t.test("grey, grey with alpha, and constant pictures", async (t) => {
  const grey = Uint8Array.from({ length: 30 * 20 }, (_, i) => (i * 31) % 256);
  const rgb = Uint8Array.from({ length: grey.length * 3 }, (_, i) => grey[Math.floor(i / 3)]!);
  const wanted = clipCrop({ width: 30, height: 20, data: rgb }, 8);
  t.same(clipCrop({ width: 30, height: 20, data: grey }, 8), wanted, "grey");
  const opaque = Uint8Array.from({ length: grey.length * 2 }, (_, i) => (i % 2 ? 255 : grey[i / 2]!));
  t.same(clipCrop({ width: 30, height: 20, data: opaque }, 8), wanted, "opaque grey");
  const flat = clipCrop({ width: 30, height: 20, data: new Uint8Array(30 * 20 * 3).fill(200) }, 8);
  t.ok(
    flat.every((value) => value === 200),
    "weights add up to 1",
  );
  const rotated = await sharp({ create: { width: 6, height: 4, channels: 3, background: "#f00" } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const { width, height } = await decodePixels(new Uint8Array(rotated));
  t.same([width, height], [4, 6], "the orientation is applied");
  await t.rejects(decodePixels(new Uint8Array(10)), { name: "UserError", message: /was expected/ });
});
