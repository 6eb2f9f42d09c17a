/** Codes of pictures in the user's cache, so that a frozen image tokenizer encodes each picture once. Node only. */

import type { CaptionModel, CodeStore } from "../captioner/model.js";
import type { Config } from "../config/config.js";
import { UserError } from "../platform/errors.js";
import { cacheDirectory, nodePlatform as platform } from "../platform/node.js";
import { tokenizerId } from "../training/frozen-tokenizer.js";
import { tell } from "./terminal.js";

const { files, hash } = platform;

/** Bytes of the checksum behind the ids of a file. */
const CHECK = 32;

/**
 * Files of ids, named by the hash of the pictures' bytes, in a folder named by the tokenizer. A file appears when its batch is
 * encoded: after an interruption the next run reads it. A damaged file counts as missing.
 */
export class DiskCodeStore implements CodeStore {
  /** Batches found, and batches encoded. */
  readonly counts = { found: 0, encoded: 0 };
  private readonly folder: string;
  private readonly codeCount: number;
  private readonly base: { store: DiskCodeStore; map: readonly number[] } | null;
  private writes = true;

  /** `base`: the store of the same tokenizer without its map of codes. */
  constructor(folder: string, codeCount: number, base: DiskCodeStore["base"] = null) {
    this.folder = folder;
    this.codeCount = codeCount;
    this.base = base;
  }

  async codes(images: Uint8Array, encode: () => Promise<Uint32Array>): Promise<Uint32Array> {
    const name = await hash("sha-256", images);
    const found = (await this.read(name)) ?? (await this.fromBase(name));
    if (found) {
      this.counts.found++;
      return found;
    }
    const ids = await encode();
    this.counts.encoded++;
    await this.write(name, ids);
    return ids;
  }

  private async fromBase(name: string): Promise<Uint32Array | null> {
    const { base } = this;
    const codes = await base?.store.read(name);
    return codes ? codes.map((code) => base!.map[code]!) : null;
  }

  private async read(name: string): Promise<Uint32Array | null> {
    const path = `${this.folder}/${name}`;
    let bytes: Uint8Array;
    try {
      if (!(await files.exists(path))) return null;
      bytes = await files.read(path);
    } catch (error) {
      if (error instanceof UserError) return null;
      throw error;
    }
    const body = bytes.subarray(0, Math.max(0, bytes.length - CHECK));
    const check = Buffer.from(bytes.subarray(body.length)).toString("hex");
    if (body.length % 4 !== 0 || (await hash("sha-256", body)) !== check) return null;
    // A copy: ids need an address that is a multiple of 4.
    const ids = new Uint32Array(new Uint8Array(body).buffer);
    return ids.every((id) => id < this.codeCount) ? ids : null;
  }

  private async write(name: string, ids: Uint32Array): Promise<void> {
    if (!this.writes) return;
    const body = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
    const bytes = new Uint8Array(body.length + CHECK);
    bytes.set(body);
    bytes.set(Buffer.from(await hash("sha-256", body), "hex"), body.length);
    try {
      await files.makeDirectory(this.folder);
      await files.write(`${this.folder}/${name}`, bytes);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.writes = false;
      tell(`careful: codes are not kept for the next run: ${error.message}`);
    }
  }
}

/** The store for a captioner with a frozen image tokenizer; null for one that is trained. `base` as in `DiskCodeStore`. */
export async function codeStoreFor(
  model: CaptionModel,
  config: Config,
  base: { store: DiskCodeStore; map: readonly number[] } | null = null,
): Promise<DiskCodeStore | null> {
  if (model.trainsTokenizer) return null;
  const folder = `${cacheDirectory()}/codes/${(await tokenizerId(config, hash)).slice(0, 32)}`;
  return new DiskCodeStore(folder, model.imageTokenizer.codeCount, base);
}
