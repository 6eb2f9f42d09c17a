/** Finished parts of a sweep, one JSON object a line, so that a sweep that was killed goes on: `key` says what a line is of. */

import { isRecord, type JsonRecord, parseJson } from "../../platform/json.js";
import type { Files } from "../../platform/platform.js";

export class LineStore {
  private readonly files: Files;
  private readonly path: string;
  private readonly lines: Map<string, JsonRecord>;

  private constructor(files: Files, path: string, lines: Map<string, JsonRecord>) {
    this.files = files;
    this.path = path;
    this.lines = lines;
  }

  /** Reads the file, if there is one. Lines that a kill or a full disk damaged are removed from it. */
  static async open(files: Files, path: string): Promise<LineStore> {
    const lines = new Map<string, JsonRecord>();
    if (await files.exists(path)) {
      // Not `readText`, which refuses the whole file for one damaged byte.
      const text = new TextDecoder().decode(await files.read(path));
      const all = text.split("\n");
      for (const line of all) {
        const record = parsed(line);
        if (record) lines.set(record.key, record);
      }
      const whole = [...lines.values()].map((record) => `${JSON.stringify(record)}\n`).join("");
      if (whole !== text) await files.write(path, whole);
    }
    return new LineStore(files, path, lines);
  }

  /** The line of a key, if it is there. */
  get(key: string): JsonRecord | undefined {
    return this.lines.get(key);
  }

  /** Appends a line. */
  async add(record: JsonRecord & { readonly key: string }): Promise<void> {
    await this.files.append(this.path, `${JSON.stringify(record)}\n`);
    this.lines.set(record.key, record);
  }
}

function parsed(line: string): (JsonRecord & { readonly key: string }) | null {
  try {
    const value = parseJson(line);
    return isRecord(value) && typeof value.key === "string" ? (value as JsonRecord & { key: string }) : null;
  } catch {
    return null;
  }
}
