/** Parts of pictures: cut before scaling, in this process and in the decoding process. */

import sharp from "sharp";
import t from "tap";
import { decodePart } from "../../dist/platform/node.js";

t.setTimeout(120_000);

/** A picture with a red, a green, a blue and a yellow quarter: top left, top right, bottom left, bottom right. */
async function quarters(width: number, height: number, orientation?: number): Promise<Uint8Array> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2" shape-rendering="crispEdges"><path fill="#f00" d="M0 0h1v1H0z"/><path fill="#0f0" d="M1 0h1v1H1z"/><path fill="#00f" d="M0 1h1v1H0z"/><path fill="#ff0" d="M1 1h1v1H1z"/></svg>`;
  const picture = sharp(Buffer.from(svg)).flatten().resize(width, height, { fit: "fill", kernel: "nearest" });
  return (orientation ? picture.withMetadata({ orientation }) : picture).png().toBuffer();
}

/** The colours of the corners of the decoded part. */
async function corners(bytes: Uint8Array, box: Parameters<typeof decodePart>[3]): Promise<string[]> {
  const size = 8;
  const pixels = await decodePart(bytes, size, "contain", box);
  return [0, size - 1, size * (size - 1), size * size - 1].map((at) =>
    [...pixels.subarray(3 * at, 3 * at + 3)].map((value) => (value > 127 ? "f" : "0")).join(""),
  );
}

const all = ["f00", "0f0", "00f", "ff0"];
const yellow = ["ff0", "ff0", "ff0", "ff0"];

t.test("a box is cut out, within the picture", async (t) => {
  const bytes = await quarters(40, 40);
  t.same(await corners(bytes, undefined), all, "the whole picture");
  t.same(await corners(bytes, { x: 20, y: 20, width: 20, height: 20 }), yellow);
  t.same(await corners(bytes, { x: 20, y: 20, width: 500, height: 500 }), yellow, "cut at the edges");
  t.same(await corners(bytes, { x: -300, y: -300, width: 320, height: 320 }), ["f00", "f00", "f00", "f00"]);
  t.same(await corners(bytes, { x: 100, y: 0, width: 20, height: 20 }), all, "a box outside takes all");
  t.same(await corners(bytes, { x: 10, y: 10, width: 20, height: 20 }), all, "the middle has all four");
});

t.test("a box lies in the upright picture", async (t) => {
  // Orientation 6: the file is turned by 90° to the right to be seen upright, so the bottom left quarter comes to the top left.
  const bytes = await quarters(40, 40, 6);
  t.same(await corners(bytes, undefined), ["00f", "f00", "ff0", "0f0"]);
  t.same(await corners(bytes, { x: 0, y: 0, width: 20, height: 20 }), ["00f", "00f", "00f", "00f"]);
});

t.test("large pictures are cut in the decoding process", async (t) => {
  const bytes = await quarters(4200, 4200);
  t.same(await corners(bytes, { x: 2100, y: 2100, width: 2100, height: 2100 }), yellow);
  t.same(await corners(bytes, undefined), all);
});
