/** The captioner of Node: loads from folders, opens its device itself, and takes picture files. */

import { existsSync } from "node:fs";
import { normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { Captioner as AnyCaptioner, type LoadOptions } from "../captioner/captioner.js";
import type { DenoiseStep } from "../captioner/denoise-stream.js";
import { assemble, downloadFolder, readFolder } from "../captioner/files.js";
import type { Caption, DenoiseOptions } from "../captioner/options.js";
import type { ImageOrFile } from "../captioner/picture-source.js";
import type { ImageFit } from "../captioner/picture-tensor.js";
import { Gpu } from "../engine/gpu/gpu.js";
import { Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform, shippedWeights } from "../platform/node.js";
import { openNodeGpu } from "./open-gpu.js";

/** A picture: the path of a file, its bytes (PNG, and with the npm package sharp JPEG and WebP), or what a page's captioner takes. */
export type NodeImage = string | URL | Uint8Array | ArrayBuffer | ImageOrFile;

/** Options of `Captioner.load` in Node. */
export interface NodeLoadOptions extends Omit<LoadOptions, "whileLoading" | "cache"> {
  /** Without `device` and `gpu`: which adapter to open, as for `openNodeDevice`. */
  adapter?: string | undefined;
}

/** A `Captioner` of `mc-diffusion` that knows Node's files. */
export class Captioner extends AnyCaptioner {
  #release: () => void = () => {};

  /**
   * Loads a captioner from a folder, or from the web address of one; default: the weights that ship with the package, which
   * `weights/emoji` names too where the working directory has no such folder. Without `device` and `gpu` it opens a device, and
   * `dispose` destroys it. Throws a `UserError` that names the file if something is missing or does not fit.
   */
  static override async load(
    folder: string | URL = shippedWeights(),
    options: NodeLoadOptions = {},
  ): Promise<Captioner> {
    const web = /^https?:/.test(String(folder));
    const remote = web ? await downloadFolder(folder, options) : null;
    const stored = remote
      ? await remote.weights()
      : await readFolder(nodePlatform.files, localFolder(folder));
    options.signal?.throwIfAborted();
    const gpu =
      options.gpu ??
      (options.device ? Gpu.from(options.device) : await openNodeGpu({ adapter: options.adapter }));
    const release = () => {
      if (options.gpu) return;
      gpu.dispose();
      if (!options.device) gpu.device.destroy();
    };
    try {
      const { precision } = options;
      const captioner = await assemble(Captioner, { gpu, stored, precision }, async () => stored);
      captioner.#release = release;
      return captioner;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** As in `mc-diffusion`, of a file too. */
  override async codes(picture: NodeImage, fit?: ImageFit): Promise<Tensor<"u32">> {
    return super.codes(await this.#decoded(picture, fit), fit);
  }

  /** As in `mc-diffusion`, of a file too. */
  override async *denoise(
    picture: NodeImage | Tensor<"u32">,
    options: DenoiseOptions = {},
  ): AsyncGenerator<DenoiseStep, void> {
    options.signal?.throwIfAborted();
    yield* super.denoise(
      picture instanceof Tensor ? picture : await this.#decoded(picture, options.fit),
      options,
    );
  }

  /** The caption of a picture: the path of its file, its bytes, or what the captioner of `mc-diffusion` takes. */
  override async caption(picture: NodeImage | Tensor<"u32">, options: DenoiseOptions = {}): Promise<Caption> {
    return super.caption(
      picture instanceof Tensor ? picture : await this.#decoded(picture, options.fit),
      options,
    );
  }

  /** Decodes and scales files as the command `caption` does. Throws a `UserError` that names the file. */
  async #decoded(picture: NodeImage, fit: ImageFit = "contain"): Promise<ImageOrFile> {
    const { name, bytes } = await fileOf(picture);
    if (bytes === null) return picture as ImageOrFile;
    try {
      return await nodePlatform.images.decode(bytes, this.config.data.imageSize, fit);
    } catch (error) {
      if (error instanceof UserError) throw new UserError(`${name}${error.message}`);
      throw error;
    }
  }

  /** Frees the networks, and the engine and the device if `load` opened them. */
  override dispose(): void {
    super.dispose();
    this.#release();
    this.#release = () => {};
  }
}

/** The bytes of an image file, with its name for messages; null for pictures that are no files. */
async function fileOf(picture: NodeImage): Promise<{ name: string; bytes: Uint8Array | null }> {
  if (picture instanceof Uint8Array) return { name: "", bytes: picture };
  if (picture instanceof ArrayBuffer) return { name: "", bytes: new Uint8Array(picture) };
  if (picture instanceof Blob) {
    const name = "name" in picture ? `${picture.name}: ` : "";
    return { name, bytes: new Uint8Array(await picture.arrayBuffer()) };
  }
  if (typeof picture !== "string" && !(picture instanceof URL)) return { name: "", bytes: null };
  const path = pathOf(picture);
  return { name: `${path}: `, bytes: await nodePlatform.files.read(path) };
}

/** The path of a file or folder that is named by its path or its `file:` URL. */
const pathOf = (place: string | URL): string =>
  String(place).startsWith("file:") ? fileURLToPath(place) : String(place);

function localFolder(folder: string | URL): string {
  const path = pathOf(folder);
  const shipped = normalize(path).replace(/[/\\]$/, "") === normalize("weights/emoji");
  return shipped && !existsSync(path) ? shippedWeights() : path;
}
