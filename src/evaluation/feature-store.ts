/** Features of pictures and texts kept in a file, by name: what was encoded once is not encoded again. */

import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";

const format = "mc-diffusion-features-1";
/** Names are hashes in hexadecimal: a space separates them. */
const separator = " ";

/** Rows of features by name, [width] each, in memory or in a safetensors file. */
export class FeatureStore {
  readonly width: number;
  readonly #rows: Map<string, Float32Array>;
  readonly #target: { files: Files; path: string } | null;
  #changed = false;

  private constructor(
    width: number,
    rows: Map<string, Float32Array>,
    target: { files: Files; path: string } | null,
  ) {
    this.width = width;
    this.#rows = rows;
    this.#target = target;
  }

  /** A store of rows of `width` numbers that keeps nothing on disk. */
  static inMemory(width: number): FeatureStore {
    return new FeatureStore(width, new Map(), null);
  }

  /**
   * The store in a file. A file that is missing, damaged or of another width is as good as an empty one. Without `keeps` it is read
   * and never written.
   */
  static async open(
    files: Files,
    path: string,
    width: number,
    { keeps = true }: { keeps?: boolean } = {},
  ): Promise<FeatureStore> {
    const rows = new Map<string, Float32Array>();
    try {
      if (await files.exists(path)) {
        const { tensors, metadata } = decodeSafetensors(await files.read(path), path);
        const names = (metadata.names ?? "").split(separator);
        const features = tensors.get("features");
        const fits = features?.dtype === "F32" && features.shape.join() === [names.length, width].join();
        if (fits && metadata.format === format)
          for (const [i, name] of names.entries())
            rows.set(name, features.data.subarray(i * width, (i + 1) * width));
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    return new FeatureStore(width, rows, keeps ? { files, path } : null);
  }

  /** The row of this name, if there is one. */
  get(name: string): Float32Array | undefined {
    return this.#rows.get(name);
  }

  /** Keeps a row under a name without spaces. */
  set(name: string, row: Float32Array): void {
    if (row.length !== this.width || name.includes(separator))
      throw new RangeError(`FeatureStore: "${name}" with ${row.length} numbers, not ${this.width}`);
    this.#rows.set(name, row);
    this.#changed = true;
  }

  /** Writes the file if there is something new. Throws a `UserError` that names it if it cannot be written. */
  async save(): Promise<void> {
    if (!this.#target || !this.#changed) return;
    const { files, path } = this.#target;
    const data = new Float32Array(this.#rows.size * this.width);
    let at = 0;
    for (const row of this.#rows.values()) {
      data.set(row, at);
      at += this.width;
    }
    const tensor: StoredTensor = { dtype: "F32", shape: [this.#rows.size, this.width], data };
    const names = [...this.#rows.keys()].join(separator);
    await files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    await files.write(path, encodeSafetensors(new Map([["features", tensor]]), { format, names }));
    this.#changed = false;
  }
}
