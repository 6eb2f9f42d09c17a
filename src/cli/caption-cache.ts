/**
 * Captions of finished models beside the file of the results, so that a killed evaluation goes on, and another choice of metrics
 * needs no new captions. Node only.
 */

import type { Dataset } from "../data/dataset.js";
import type { CaptionedSplit } from "../evaluation/evaluation.js";
import { UserError } from "../platform/errors.js";
import { isRecord, parseJson } from "../platform/json.js";
import { packageVersion, nodePlatform as platform } from "../platform/node.js";

const { files, hash } = platform;

/** Raise this when the same weights, settings and pictures give other captions. */
const format = "mc-diffusion-captions-1";

/** Everything that captions depend on, as JSON: settings, seeds, adapter. */
export type CaptionSettings = Readonly<Record<string, unknown>>;

/** A folder of captions, a file for each model. */
export class CaptionCache {
  readonly folder: string;

  /** `beside`: the file of the results. */
  constructor(beside: string) {
    this.folder = `${beside}.captions`;
  }

  /**
   * The name of the captions of weights: a hash of them, of the settings, and of the pictures and captions `records` of the data
   * set.
   */
  async key(
    weights: string,
    dataset: Dataset,
    records: readonly number[],
    settings: CaptionSettings,
  ): Promise<string> {
    const pictures = records.map((record) => {
      const { id, image, captions } = dataset.records[record]!;
      return [id, dataset.images.content(image), captions];
    });
    const parts = [
      ...[format, await packageVersion(), settings, dataset.name, dataset.size],
      await hash("sha-256", await files.read(`${weights}/model.safetensors`)),
      await files.readText(`${weights}/config.json`),
      pictures,
    ];
    return (await hash("sha-256", JSON.stringify(parts))).slice(0, 32);
  }

  /** The kept captions; null if there are none, or the file is damaged. */
  async read(key: string): Promise<CaptionedSplit[] | null> {
    const path = this.#path(key);
    try {
      if (!(await files.exists(path))) return null;
      const value = parseJson(await files.readText(path));
      if (!isRecord(value) || value.format !== format) return null;
      const splits: unknown = value.splits;
      const check = await hash("sha-256", JSON.stringify(splits));
      return check === value.sha256 ? (splits as CaptionedSplit[]) : null;
    } catch (error) {
      if (error instanceof UserError || error instanceof SyntaxError) return null;
      throw error;
    }
  }

  /** Keeps captions. */
  async write(key: string, splits: readonly CaptionedSplit[]): Promise<void> {
    await files.makeDirectory(this.folder);
    const sha256 = await hash("sha-256", JSON.stringify(splits));
    await files.write(this.#path(key), `${JSON.stringify({ format, sha256, splits })}\n`);
  }

  #path(key: string): string {
    return `${this.folder}/${key}.json`;
  }
}
