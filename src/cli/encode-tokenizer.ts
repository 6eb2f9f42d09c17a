/** `node dist/encode.js --tokenizer`: codes of pictures by a frozen image tokenizer, and pictures from them. Node only. */

import { bytesOf } from "../captioner/batch.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { fromArray } from "../engine/tensor/tensor.js";
import { loadTokenizer } from "../models/load-tokenizer.js";
import { pixelValues } from "../models/pixel-values.js";
import { readTokenizerFolder } from "../models/tokenizer-folder.js";
import { Vqgan } from "../models/vqgan/vqgan.js";
import { UserError } from "../platform/errors.js";
import { decodePixels, nodePlatform as platform } from "../platform/node.js";
import type { RgbImage } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { say } from "./terminal.js";

/** Options of the command beside its pictures. */
export interface EncodeOptions {
  /** Folder that import.js wrote. */
  tokenizer: string;
  /** Side of the square that a picture is scaled into; "none": the picture as it is; default: as in training. */
  size?: number | "none" | undefined;
  /** PNG file for the picture that the codes decode to. */
  reconstruct?: string | undefined;
  json?: boolean | undefined;
  svg?: boolean | undefined;
}

/** The codes of one picture. */
interface Encoded {
  file: string;
  /** The grid. */
  height: number;
  width: number;
  /** Row by row. */
  ids: number[];
}

const { files, images } = platform;

/** Returns a function that encodes one picture and prints its codes. Throws a `UserError` for a folder without tokenizer. */
export async function tokenizerEncoder(
  gpu: Gpu,
  options: EncodeOptions,
): Promise<{ encode(file: string): Promise<void>; dispose(): void }> {
  const folder = await readTokenizerFolder(files, options.tokenizer.replace(/[/\\]+$/, ""));
  const size = options.size ?? folder.imageSize;
  if (size === null)
    throw new UserError(
      `${folder.folder} does not say for what size it was trained: give --size, a number of pixels or none`,
      2,
    );
  const tokenizer = await loadTokenizer(gpu, files, folder);
  if (!(tokenizer instanceof Vqgan))
    throw new UserError(`${folder.folder} holds a ${folder.kind}, not a VQGAN`);
  return {
    async encode(file) {
      const picture = await readPicture(file, size, options.svg);
      const { encoded, decoded } = await encodePicture(tokenizer, file, picture, !!options.reconstruct);
      if (decoded) await files.write(options.reconstruct!, await images.encodePng(decoded));
      say(options.json ? JSON.stringify(encoded) : asText(encoded));
    },
    dispose: () => tokenizer.dispose(),
  };
}

async function readPicture(file: string, size: number | "none", svg?: boolean): Promise<RgbImage> {
  const bytes = await files.read(file);
  const options = { svg: svg ? ("bounded" as const) : undefined };
  try {
    return size === "none"
      ? await decodePixels(bytes, { ...options, alpha: false })
      : await images.decode(bytes, size, "contain", options);
  } catch (error) {
    if (!(error instanceof UserError) || error.message.includes(file)) throw error;
    throw new UserError(`${shown(file)}: ${error.message}`);
  }
}

/** The codes of a picture, and the picture that they decode to if it is wanted. */
async function encodePicture(
  tokenizer: Vqgan,
  file: string,
  { width, height, data }: RgbImage,
  decode: boolean,
): Promise<{ encoded: Encoded; decoded: RgbImage | null }> {
  const { gpu } = tokenizer;
  const values = pixelValues(data);
  const { grid, image } = gpu.scope(() => {
    const grid = tokenizer.encodeGrid(fromArray(gpu, values, [1, height, width, 3], "f32", "picture"));
    return { grid, image: decode ? tokenizer.decodeGrid(grid) : null };
  });
  const [, rows, columns] = grid.shape as [number, number, number];
  const ids = Array.from(await grid.read());
  const decoded = image && {
    width: image.shape[2]!,
    height: image.shape[1]!,
    data: bytesOf(await image.read()),
  };
  grid.dispose();
  image?.dispose();
  return { encoded: { file, height: rows, width: columns, ids }, decoded };
}

function asText({ file, height, width, ids }: Encoded): string {
  const digits = Math.max(...ids.map((id) => String(id).length));
  const rows = Array.from({ length: height }, (_, row) =>
    ids
      .slice(row * width, (row + 1) * width)
      .map((id) => String(id).padStart(digits))
      .join(" "),
  );
  return `${shown(file)}: ${height}×${width} codes\n${rows.join("\n")}`;
}
