/** Targets: PNG, JPEG, WebP, SVG, as Node decodes them and as a page would be given them. */

import sharp from "sharp";
import { nodePlatform } from "../../dist/platform/node.js";
import {
  jpegSegments,
  type PictureFormat,
  type Piece,
  pngChunks,
  readPictureHeader,
  webpChunks,
} from "../../dist/platform/picture-header.js";
import { withoutAsides } from "../../dist/platform/plain-picture.js";
import type { Random } from "../programs/random.js";
import { jpegOf, mutateBytes, mutatePieces, type NamedPiece, pngOf, webpOf } from "./mutate.js";
import { holds, type Target } from "./target.js";

const SIZE = 24;

const noise = sharp({
  create: {
    width: 40,
    height: 30,
    channels: 3,
    background: "#888",
    noise: { type: "gaussian", mean: 128, sigma: 40 },
  },
});
const turned = noise.clone().withMetadata({ orientation: 6, icc: "p3" });
const alpha = noise.clone().ensureAlpha(0.5);

const seeds: Readonly<Record<"png" | "jpeg" | "webp", readonly Buffer[]>> = {
  png: [
    await turned.clone().png().toBuffer(),
    await noise.clone().png({ palette: true, colours: 16 }).toBuffer(),
    await noise.clone().greyscale().png({ progressive: true }).toBuffer(),
    await alpha.clone().toColourspace("rgb16").png().toBuffer(),
  ],
  jpeg: [
    await turned.clone().jpeg().toBuffer(),
    await noise.clone().jpeg({ progressive: true }).toBuffer(),
    await noise.clone().greyscale().jpeg({ optimiseCoding: true }).toBuffer(),
    await noise.clone().toColourspace("cmyk").jpeg().toBuffer(),
  ],
  webp: [
    await turned.clone().webp().toBuffer(),
    await noise.clone().webp({ lossless: true }).toBuffer(),
    await alpha.clone().webp({ quality: 50 }).toBuffer(),
    await sharp([await noise.clone().png().toBuffer(), await alpha.clone().png().toBuffer()], {
      join: { animated: true },
    })
      .webp()
      .toBuffer(),
  ],
};

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const named = (bytes: Uint8Array, pieces: Iterable<Piece>): NamedPiece[] =>
  [...pieces].map(({ name, from, to }) => ({ name, data: new Uint8Array(bytes.subarray(from, to)) }));

const PIECES = {
  png: (random: Random, bytes: Uint8Array) =>
    pngOf(
      mutatePieces(random, named(bytes, pngChunks(view(bytes))), [
        ...["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "iCCP", "eXIf", "gAMA", "zTXt", "acTL", "fdAT"],
      ]),
    ),
  jpeg: (random: Random, bytes: Uint8Array) => {
    const segments = [...jpegSegments(view(bytes))];
    const scan = bytes.subarray(segments.at(-1)!.next);
    const rest = random.chance(0.3) ? mutateBytes(random, new Uint8Array(scan)) : scan;
    return jpegOf(
      mutatePieces(random, named(bytes, segments), [
        "c0",
        "c1",
        "c2",
        "c4",
        "c9",
        "da",
        "db",
        "dd",
        "e1",
        "e2",
        "ee",
      ]),
      rest,
    );
  },
  webp: (random: Random, bytes: Uint8Array) =>
    webpOf(
      mutatePieces(random, named(bytes, webpChunks(view(bytes))), [
        ...["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "EXIF", "ICCP", "XMP "],
      ]),
    ),
};

/** What a page gives to its browser: a file of the same size that lies upright. */
function checkPlain(format: PictureFormat, bytes: Uint8Array): void {
  const header = readPictureHeader(bytes, false);
  const plain = withoutAsides(format, bytes);
  holds(plain.length <= bytes.length, "what is left out makes a file no longer");
  const now = readPictureHeader(plain, false);
  holds(now.format === header.format, "the format stays");
  holds(now.width === header.width && now.height === header.height, "the size stays");
  holds(now.orientation === 1, "no orientation is left");
}

function pictures(format: "png" | "jpeg" | "webp"): Target {
  const expected = new Map<Buffer, Promise<Uint8Array>>();
  const decode = async (bytes: Uint8Array) => {
    const { width, height, data } = await nodePlatform.images.decode(bytes, SIZE, "contain");
    holds(width === SIZE && height === SIZE, "a picture has the size that was asked for");
    holds(data.length === 3 * SIZE * SIZE, "three bytes a pixel");
    return data;
  };
  return {
    name: format,
    prepare(random) {
      const seed = random.of(seeds[format]);
      const bytes = random.chance(0.5)
        ? PIECES[format](random, seed)
        : mutateBytes(random, new Uint8Array(seed));
      return {
        size: bytes.length,
        async read() {
          checkPlain(format, bytes);
          if (!expected.has(seed)) expected.set(seed, decode(seed));
          return Buffer.compare(await decode(bytes), await expected.get(seed)!) === 0 ? "same" : "other";
        },
      };
    },
  };
}

export const pictureTargets: readonly Target[] = [pictures("png"), pictures("jpeg"), pictures("webp")];
