import { UserError } from "../../dist/platform/errors.js";
import type { Files } from "../../dist/platform/platform.js";
import { decodeText } from "../../dist/platform/text.js";

/** `Files` in memory: folders exist when made or when something lies in them. */
export class MemoryFiles implements Files {
  readonly contents = new Map<string, Uint8Array>();
  readonly folders = new Set<string>();

  async read(path: string): Promise<Uint8Array> {
    const data = this.contents.get(path);
    if (data === undefined) throw new UserError(`${path} does not exist`);
    return data;
  }

  async readText(path: string): Promise<string> {
    return decodeText(await this.read(path), path);
  }

  async write(path: string, data: Uint8Array | string): Promise<void> {
    this.contents.set(path, typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
  }

  async append(path: string, data: string): Promise<void> {
    await this.write(path, ((await this.exists(path)) ? await this.readText(path) : "") + data);
  }

  async exists(path: string): Promise<boolean> {
    return this.contents.has(path) || (await this.isDirectory(path));
  }

  async isDirectory(path: string): Promise<boolean> {
    return this.folders.has(path) || this.#below(path).length > 0;
  }

  async list(path: string): Promise<string[]> {
    if (!(await this.isDirectory(path))) throw new UserError(`${path} does not exist`);
    return [...new Set(this.#below(path).map((name) => name.slice(path.length + 1).split("/")[0]!))].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    this.folders.add(path);
  }

  async remove(path: string): Promise<void> {
    for (const name of [path, ...this.#below(path)]) {
      this.contents.delete(name);
      this.folders.delete(name);
    }
  }

  async rename(path: string, to: string): Promise<void> {
    if (await this.exists(to)) throw new UserError(`cannot rename ${path} to ${to}: it exists`);
    for (const name of [path, ...this.#below(path)]) {
      const moved = to + name.slice(path.length);
      const data = this.contents.get(name);
      if (data !== undefined) this.contents.set(moved, data);
      if (this.folders.has(name)) this.folders.add(moved);
    }
    await this.remove(path);
  }

  #below(path: string): string[] {
    return [...this.contents.keys(), ...this.folders].filter((name) => name.startsWith(`${path}/`));
  }
}
