/** `node dist/encode.js --tokenizer`: codes of pictures by a frozen image tokenizer, and pictures from them. Node only. */

import { bytesOf } from "../captioner/batch.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { fromArray } from "../engine/tensor/tensor.js";
import { loadWeights } from "../engine/weights/weights.js";
import type { ImageTokenizer } from "../models/image-tokenizer.js";
import { imageTokenizers } from "../models/registry.js";
import { readTokenizerFolder, readTokenizerWeights, type TokenizerFolder } from "../models/tokenizer-folder.js";
import { Vqgan } from "../models/vqgan/vqgan.js";
import { UserError } from "../platform/errors.js";
import { decodeWhole, nodePlatform as platform } from "../platform/node.js";
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
  const tokenizer = await loadTokenizer(gpu, folder, size === "none" ? undefined : size);
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

/** The tokenizer of a folder with its weights, for square pictures of `imageSize` pixels a side. */
export async function loadTokenizer(
  gpu: Gpu,
  folder: TokenizerFolder,
  imageSize = folder.imageSize ?? undefined,
): Promise<Vqgan> {
  const kind = imageTokenizers.get(folder.kind, `${folder.folder}/config.json`);
  const defaults = Object.entries(kind.settings).map(([key, { default: value }]) => [key, value] as const);
  const settings = { ...Object.fromEntries(defaults), ...folder.settings };
  // Any size that the tokenizer can take stands for "as it is".
  const config = { data: { imageSize: imageSize ?? 2 ** 12 }, [kind.section]: settings };
  const problem = kind.check?.(config);
  if (problem) throw new UserError(`${folder.folder}: ${problem}`);
  const tokenizer: ImageTokenizer = kind.create(gpu, config);
  try {
    const { tensors, path } = await readTokenizerWeights(files, folder);
    loadWeights(tokenizer, tensors, path);
    if (!(tokenizer instanceof Vqgan)) throw new UserError(`${folder.folder} holds a ${folder.kind}, not a VQGAN`);
    return tokenizer;
  } catch (error) {
    tokenizer.dispose();
    throw error;
  }
}

async function readPicture(file: string, size: number | "none", svg?: boolean): Promise<RgbImage> {
  const bytes = await files.read(file);
  const options = { svg: svg ? ("bounded" as const) : undefined };
  try {
    return size === "none"
      ? await decodeWhole(bytes, options)
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
  const values = Float32Array.from(data, (byte) => byte / 127.5 - 1);
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
