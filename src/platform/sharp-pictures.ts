/** Decoding and scaling by sharp, without bounds on time: see picture-decoder.ts. */

import type { Metadata, Sharp, SharpOptions } from "sharp";
import { UserError } from "./errors.js";
import { checkPixels, damaged, MAX_PIXELS, type PictureFormat } from "./picture-header.js";

/** librsvg's own resolution: at this density one SVG pixel is one image pixel. */
const SVG_DENSITY = 72;

type Loader = (input: Uint8Array, options: SharpOptions) => Sharp;
let loader: Promise<Loader> | undefined;

/** sharp, loaded on first use: a command that shows its help need not wait for it. */
export function loadSharp(): Promise<Loader> {
  loader ??= import("sharp").then(
    ({ default: sharp }) => {
      // Many small pictures at once: one thread each, and nothing cached that the caller keeps anyway.
      sharp.concurrency(1);
      sharp.cache(false);
      return sharp;
    },
    (error: unknown) => {
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      throw new UserError(
        `The image library sharp does not load on this machine (${why}); run npm ci again.`,
      );
    },
  );
  return loader;
}

/**
 * Decodes as `ImageCodec.decode` says, for bytes whose header was read. Returns size·size·3 bytes. Throws a `UserError` for
 * what cannot be decoded.
 */
export async function decodeBySharp(
  format: PictureFormat,
  bytes: Uint8Array,
  size: number,
  fit: "contain" | "cover",
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const options: SharpOptions = { failOn: "error", limitInputPixels: MAX_PIXELS };
  if (format === "svg") options.density = await svgDensity(sharp, bytes, size, fit);
  try {
    const { data, info } = await sharp(bytes, options)
      .autoOrient()
      .flatten({ background: "#ffffff" })
      .resize(size, size, { fit, background: "#ffffff" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
    return new Uint8Array(data.buffer, data.byteOffset, data.length);
  } catch (error) {
    throw unreadable(format, error);
  }
}

/**
 * The density that makes librsvg draw at (just above) the wanted size, instead of scaling a picture of another
 * size: the drawing stays crisp, and a drawing that is large on paper costs little. sharp takes 1 to 100000.
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

/** libvips answers with several lines, the first of which may be a file name of ours: keep one clear clause. */
function unreadable(format: PictureFormat, error: unknown): UserError {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  const detail = (lines.find((line) => line.trim() !== "") ?? "no reason given").trim().replace(/[.]+$/, "");
  return damaged(format, detail);
}
