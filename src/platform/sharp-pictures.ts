/** Decodes and scales with sharp, without time limits (picture-decoder.ts adds them). */

import type { Metadata, Sharp, SharpOptions } from "sharp";
import { UserError } from "./errors.js";
import { isNotInstalled } from "./optional-packages.js";
import { type PictureBox, pixelsIn } from "./picture-box.js";
import { checkPixels, damaged, MAX_PIXELS, type PictureFormat } from "./picture-header.js";
import type { RgbImage } from "./platform.js";

/** librsvg's default density, at which one SVG pixel is one image pixel. */
const SVG_DENSITY = 72;

type Loader = (input: Uint8Array, options: SharpOptions) => Sharp;
let loader: Promise<Loader | null> | undefined;

/** Loads sharp on first use: a command that shows its help need not wait for it. Null if it is not installed. */
export function sharpIfInstalled(): Promise<Loader | null> {
  loader ??= import("sharp").then(
    ({ default: sharp }) => {
      // Many small pictures are decoded at once: use one thread each. The caller keeps the results, so cache nothing.
      sharp.concurrency(1);
      sharp.cache(false);
      return sharp;
    },
    (error: unknown) => {
      if (isNotInstalled(error, "sharp")) return null;
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      throw new UserError(
        `The image library sharp does not load on this machine (${why}); install it again.`,
      );
    },
  );
  return loader;
}

/** As `sharpIfInstalled`; throws a `UserError`, one clause, if it is not. `purpose` begins it: "reading JPEG images". */
export async function loadSharp(purpose: string): Promise<Loader> {
  const sharp = await sharpIfInstalled();
  if (sharp === null)
    throw new UserError(`${purpose} in Node needs the npm package sharp: npm install sharp`);
  return sharp;
}

/** What is wanted of a picture file. */
export interface WantedPixels {
  /** Side of the square that the picture is scaled to; null: the picture's own size. */
  readonly size: number | null;
  readonly fit: "contain" | "cover";
  /** Only this part of the upright picture. */
  readonly box?: PictureBox | undefined;
  /** Keeps the alpha channel of a picture that has one, instead of flattening it on white. */
  readonly alpha?: boolean | undefined;
}

/** Rows from the top: RGB, or with `WantedPixels.alpha` RGBA if the picture has transparency. */
export interface DecodedImage extends RgbImage {
  readonly channels: 3 | 4;
}

/**
 * Decodes as specified by `ImageCodec.decode`, for bytes whose header has been checked. Throws a `UserError` if they cannot be
 * decoded.
 */
export async function decodeBySharp(
  format: PictureFormat,
  bytes: Uint8Array,
  { size, fit, box, alpha }: WantedPixels,
): Promise<DecodedImage> {
  const sharp = await loadSharp(`reading ${format.toUpperCase()} images`);
  const options: SharpOptions = { failOn: "error", limitInputPixels: MAX_PIXELS };
  if (format === "svg" && size !== null) options.density = await svgDensity(sharp, bytes, size, fit);
  try {
    const picture = sharp(bytes, options).autoOrient();
    if (box) picture.extract(pixelsIn((await sharp(bytes, options).metadata()).autoOrient, box));
    if (!alpha) picture.flatten({ background: "#ffffff" });
    if (size !== null) picture.resize(size, size, { fit, background: "#ffffff" });
    const { data, info } = await picture
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 3 && !(alpha && channels === 4))
      throw new Error(`${channels} channels after conversion to RGB`);
    return { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (error) {
    throw unreadable(format, error);
  }
}

/**
 * The density at which librsvg renders at (just above) the target size, so that no scaling blurs the drawing and a drawing
 * with large nominal dimensions costs little. sharp accepts 1 to 100000.
 */
async function svgDensity(
  sharp: Loader,
  bytes: Uint8Array,
  size: number,
  fit: "contain" | "cover",
): Promise<number> {
  let header: Metadata;
  try {
    header = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw unreadable("svg", error);
  }
  const { width = 0, height = 0 } = header;
  const side = fit === "contain" ? Math.max(width, height) : Math.min(width, height);
  const density = Math.min(Math.max((SVG_DENSITY * size) / side, 1), 100_000);
  const scale = density / SVG_DENSITY;
  if (width * height * scale ** 2 > MAX_PIXELS) checkPixels(width, height);
  return density;
}

/** Reduces a libvips error to one clause: libvips reports several lines. */
function unreadable(format: PictureFormat, error: unknown): UserError {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  const detail = (lines.find((line) => line.trim() !== "") ?? "no reason given").trim().replace(/[.]+$/, "");
  return damaged(format, detail);
}
