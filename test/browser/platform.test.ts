/** The browser's platform in headless Chromium, beside what Node's makes of the same pictures. */

import { PNG } from "pngjs";
import sharp from "sharp";
import { crc32 } from "../../dist/platform/crc32.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { runInChromium } from "./pages.js";

const files = new Map<string, Uint8Array | string>([
  ["/data/text.txt", "Grüße"],
  ["/data/bytes.bin", new Uint8Array([0, 255, 13, 10])],
]);

/** A PNG whose colours and alpha change slowly from pixel to pixel, so that the way of scaling matters little. */
function gradient(width: number, height: number, alpha: number): Buffer {
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
    png.data.set([255 * x, 255 * y, 128 + 60 * Math.sin(6 * x), alpha], i * 4);
  }
  return PNG.sync.write(png);
}

const photo = sharp(gradient(48, 48, 255));
const svg = (attributes: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" ${attributes} viewBox="0 0 2 2"><path d="M0 0h1v2H0z"/></svg>`;
const turned = sharp(gradient(48, 32, 255)).withMetadata({ orientation: 6 });

/** A PNG with chunks put before its pixels. */
function withChunks(png: Buffer, ...chunks: [type: string, data: Buffer][]): Buffer {
  const frames = chunks.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
  });
  return Buffer.concat([png.subarray(0, 33), ...frames, png.subarray(33)]);
}

const bigEndian = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
};
/** Gamma 1.0 and the primaries of a wide space: a browser that heeds them gives much lighter pixels. */
const odd: [type: string, data: Buffer][] = [
  ["gAMA", bigEndian(100_000)],
  ["cHRM", bigEndian(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)],
];
/** TIFF with one entry: orientation 6. */
const turnedExif = Buffer.from("4d4d002a000000080001011200030000000100060000" + "00000000", "hex");
const wide = await photo.clone().withIccProfile("p3").png().toBuffer();

const pictures: [name: string, bytes: Uint8Array | string, tolerance: number][] = [
  ["opaque.png", gradient(48, 48, 255), 0],
  ["transparent.png", gradient(48, 48, 100), 2],
  ["photo.jpg", await photo.clone().jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(), 3],
  ["photo.webp", await photo.clone().webp({ lossless: true }).toBuffer(), 1],
  ["grey.png", await photo.clone().greyscale().png().toBuffer(), 2],
  ["deep.png", await photo.clone().toColourspace("rgb16").png().toBuffer(), 2],
  ["turned.jpg", await turned.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(), 12],
  [
    "turned.webp",
    await photo.clone().withMetadata({ orientation: 6 }).webp({ lossless: true }).toBuffer(),
    2,
  ],
  ["turned.png", withChunks(gradient(48, 48, 255), ["eXIf", turnedExif]), 0],
  ["gamma.png", withChunks(gradient(48, 48, 255), ...odd), 0],
  ["wide-gamut.png", wide, 2],
  ["wide-gamut.webp", await sharp(wide).keepIccProfile().webp({ lossless: true }).toBuffer(), 2],
  ["small.png", gradient(1, 1, 255), 0],
  ["wide.png", gradient(96, 24, 255), 16],
  ["drawing.svg", svg('width="3000" height="3000"'), 4],
  ["sizeless.svg", svg(""), 4],
];
const list: object[] = [];
for (const [name, bytes, tolerance] of pictures) {
  files.set(`/pictures/${name}`, bytes);
  for (const fit of ["contain", "cover"] as const) {
    const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    files.set(
      `/pictures/${name}-48-${fit}.rgb`,
      (await nodePlatform.images.decode(data, 48, fit, { svg: "bounded" })).data,
    );
    list.push({ name, size: 48, fit, tolerance });
  }
}
files.set("/pictures/list.json", JSON.stringify(list));

/** Files that are refused on both platforms, with the same sentence. */
const refused: [name: string, bytes: Uint8Array][] = [
  [
    "moving.png",
    await sharp(gradient(8, 8, 255))
      .gif()
      .toBuffer(),
  ],
  ["drawing.png", Buffer.from(svg(""))],
  [
    "huge.jpg",
    (await photo.clone().jpeg().toBuffer()).map((byte, i, all) => (isFrameSize(all, i) ? 255 : byte)),
  ],
  ["headless.png", gradient(8, 8, 255).subarray(0, 20)],
];
for (const [name, bytes] of refused) {
  files.set(`/pictures/${name}`, bytes);
  const why = await nodePlatform.images
    .decode(bytes, 8, "contain")
    .then(String, (error: Error) => error.message);
  files.set(`/pictures/${name}.txt`, why);
}
files.set("/pictures/refused.json", JSON.stringify(refused.map(([name]) => name)));

/** Whether byte `i` of a JPEG is one of the four that tell its height and width. */
function isFrameSize(bytes: Uint8Array, i: number): boolean {
  const frame = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xc0);
  return i >= frame + 5 && i < frame + 9;
}

await runInChromium(["browser/platform.js"], files);
