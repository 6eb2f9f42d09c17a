/** Drawings of the project as files. Node only. */

import { UserError } from "../platform/errors.js";
import { nodePlatform as platform } from "../platform/node.js";
import { checkOutput } from "./options.js";

/** Throws a `UserError` unless `path`, the value of `option`, ends with .png or .svg and can be written. */
export function checkSheet(option: string, path: string): void {
  if (!/\.(png|svg)$/i.test(path)) throw new UserError(`${option} ${path} should end with .png or .svg`, 2);
  checkOutput(option, path);
}

/** Writes an SVG of the project as it is, or as a PNG of its size. */
export async function writeSheet(
  path: string,
  { svg, width, height }: { svg: string; width: number; height: number },
): Promise<void> {
  await platform.files.write(path, /\.svg$/i.test(path) ? svg : await pngOf(svg, width, height));
}

async function pngOf(svg: string, width: number, height: number): Promise<Uint8Array> {
  // Decoding makes squares, with white to the left and right or above and below.
  const side = Math.max(width, height);
  const { data } = await platform.images.decode(new TextEncoder().encode(svg), side, "contain", {
    svg: "trusted",
  });
  const [left, top] = [(side - width) >> 1, (side - height) >> 1];
  const part = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * side + left) * 3;
    part.set(data.subarray(from, from + width * 3), y * width * 3);
  }
  return platform.images.encodePng({ width, height, data: part });
}
