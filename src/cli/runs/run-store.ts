/** All runs below a folder, found and read again while they are looked at. Node only. */

import { readdir, realpath } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../platform/errors.js";
import { reason } from "../../platform/node.js";
import type { RunsAnswer } from "../../report/runs/listing.js";
import type { LogColumns } from "../../report/runs/log-columns.js";
import { WatchedRun } from "./watched-run.js";

/** Folders inside of folders that are looked into. */
const DEEPEST = 6;
/** Folders that are looked into: a folder with more is not one of runs. */
const MOST_FOLDERS = 20_000;
/** Bytes of curves kept in memory. The run that was asked for longest ago is read again when it is asked for. */
const MEMORY = 512 << 20;
/** An answer waits so long for logs that are being read: milliseconds. The rest follows in a later one. */
const PATIENCE = 300;

/** Runs of a folder. */
export class RunStore {
  readonly folder: string;
  readonly #runs = new Map<string, WatchedRun>();
  /** Ids in the order in which their curves were asked for. */
  readonly #asked = new Set<string>();
  #revision = 0;
  #looking: Promise<void> | null = null;
  #reading: Promise<void> | null = null;

  constructor(folder: string) {
    this.folder = folder;
  }

  run(id: string): WatchedRun | undefined {
    return this.#runs.get(id);
  }

  get runs(): readonly WatchedRun[] {
    return [...this.#runs.values()];
  }

  /** Looks for changes. Calls at the same time share one look. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Looks, and reads all logs to their ends. */
  async readAll(): Promise<void> {
    await this.look();
    await this.#reading;
  }

  /** The runs that changed since a revision, as far as they have been read. */
  async answer(since: number): Promise<RunsAnswer> {
    await this.look();
    if (this.#reading) await Promise.race([this.#reading, delay(PATIENCE)]);
    const listings = this.runs.flatMap(({ listing }) => listing ?? []);
    return {
      folder: this.folder,
      revision: this.#revision,
      ids: listings.map(({ id }) => id),
      changed: listings.filter(({ revision }) => revision > since),
    };
  }

  /** The curves of a run. */
  async columns(run: WatchedRun): Promise<LogColumns> {
    this.#asked.delete(run.id);
    this.#asked.add(run.id);
    const columns = await run.log.columns();
    this.#trim(run);
    return columns;
  }

  async #look(): Promise<void> {
    const found = await findRuns(this.folder, (id) => this.#runs.has(id));
    for (const [id, folder] of found) if (!this.#runs.has(id)) this.#runs.set(id, new WatchedRun(id, folder));
    let isAny = false;
    await inGroups(this.runs, 32, async (run) => {
      const changed = found.has(run.id) ? await run.look() : null;
      if (changed === null) this.#runs.delete(run.id);
      else if (changed || !run.listing) {
        run.list(++this.#revision);
        isAny = true;
      }
    });
    if (isAny) this.#reading ??= this.#read().finally(() => (this.#reading = null));
  }

  /** Reads the logs that have changed, those that changed last first. */
  async #read(): Promise<void> {
    for (;;) {
      const waiting = this.runs.filter((run) => run.listing && !run.isRead);
      waiting.sort((a, b) => b.listing!.changed - a.listing!.changed);
      const [run] = waiting;
      if (!run) return;
      // Before the reading: what is written meanwhile is found at the next look.
      run.isRead = true;
      run.failure = await run.log.update().then(
        () => null,
        (error: Error) => error.message,
      );
      this.#trim(run);
      run.list(++this.#revision);
    }
  }

  /** Frees curves above the bound on memory. */
  #trim(kept: WatchedRun): void {
    let bytes = this.runs.reduce((sum, run) => sum + run.log.bytes, 0);
    const order = [...this.runs.filter(({ id }) => !this.#asked.has(id)), ...this.#askedRuns()];
    for (const run of order) {
      if (bytes <= MEMORY) return;
      if (run === kept) continue;
      bytes -= run.log.bytes;
      run.log.dropColumns();
    }
  }

  #askedRuns(): WatchedRun[] {
    return [...this.#asked].flatMap((id) => this.#runs.get(id) ?? []);
  }
}

/** The folders of runs below `root` by their paths from there. A folder that `isKnown` is one is not listed again. */
async function findRuns(root: string, isKnown: (id: string) => boolean): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  /** Links may lead in a circle. */
  const seen = new Set<string>();
  const visit = async (id: string, depth: number): Promise<void> => {
    const folder = id === "." ? root : `${root}/${id}`;
    if (isKnown(id)) {
      found.set(id, folder);
      return;
    }
    let entries: { name: string; isFolder: boolean }[];
    try {
      const real = await realpath(folder);
      if (seen.has(real)) return;
      seen.add(real);
      entries = (await readdir(folder, { withFileTypes: true })).map((entry) => ({
        name: entry.name,
        isFolder: entry.isDirectory() || entry.isSymbolicLink(),
      }));
    } catch (error) {
      // A link to a file, or a folder of somebody else.
      if (id !== ".") return;
      throw new UserError(`Cannot list ${root}: ${reason(error)}.`);
    }
    if (seen.size > MOST_FOLDERS)
      throw new UserError(`${root} has more than ${MOST_FOLDERS} folders: name the folder of your runs`, 2);
    const names = new Set(entries.map(({ name }) => name));
    if (names.has("log.jsonl") || (names.has("config.json") && names.has("samples"))) {
      found.set(id, folder);
      return;
    }
    if (depth === DEEPEST) return;
    for (const { name, isFolder } of entries)
      if (isFolder && !name.startsWith(".") && name !== "node_modules")
        await visit(id === "." ? name : `${id}/${name}`, depth + 1);
  };
  await visit(".", 0);
  return found;
}

/** Runs `work` on all items, at most `size` at a time. */
async function inGroups<T>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work));
}
