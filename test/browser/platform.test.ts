/** The browser's platform in headless Chromium, beside what Node's makes of the same pictures. */
import { PNG } from "pngjs";
import sharp from "sharp";
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

const pictures: [name: string, bytes: Uint8Array | string, tolerance: number][] = [
  ["opaque.png", gradient(48, 48, 255), 0],
  ["transparent.png", gradient(48, 48, 100), 2],
  ["photo.jpg", await photo.clone().jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(), 3],
  ["photo.webp", await photo.clone().webp({ lossless: true }).toBuffer(), 1],
  ["grey.png", await photo.clone().greyscale().png().toBuffer(), 2],
  ["deep.png", await photo.clone().toColourspace("rgb16").png().toBuffer(), 2],
  ["turned.jpg", await turned.jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer(), 12],
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
    files.set(`/pictures/${name}-48-${fit}.rgb`, (await nodePlatform.images.decode(data, 48, fit)).data);
    list.push({ name, size: 48, fit, tolerance });
  }
}
files.set("/pictures/list.json", JSON.stringify(list));

await runInChromium(["browser/platform.js"], files);
