/** One run that is looked at: its listing, read again where its files change. Node only. */

import { readdir } from "node:fs/promises";
import { isRecord } from "../../platform/json.js";
import { folderHolder } from "../../platform/lock.js";
import type { RunListing, RunState, StageListing } from "../../report/runs/listing.js";
import { LogFollower } from "./log-follower.js";
import { NOTE, readData, readNote, readSamples, readScores, readSettings, stampOf } from "./run-files.js";

/** A log of another machine's process that has not grown for so long belongs to none: milliseconds. */
const QUIET = 600_000;

type Facts = Pick<RunListing, "config" | "scores" | "samples" | "data" | "note" | "hasReport"> & {
  readonly problems: readonly string[];
};

/** A run below the folder that is served. */
export class WatchedRun {
  readonly id: string;
  readonly folder: string;
  readonly log: LogFollower;
  listing: RunListing | null = null;
  /** Whether the log has been read to its end as of the last look. */
  isRead = false;
  /** Why the log cannot be read. */
  failure: string | null = null;
  #stamp = "";
  #factsStamp = "";
  #dataStamp = "";
  #facts: Facts | null = null;
  #changed = 0;
  #state: RunState = "stopped";

  constructor(id: string, folder: string) {
    this.id = id;
    this.folder = folder;
    this.log = new LogFollower(`${folder}/log.jsonl`);
  }

  /** Whether the files have changed since the last look; null if the run is gone. Five calls of the system if nothing has. */
  async look(): Promise<boolean | null> {
    const folder = stampOf(this.folder);
    const samples = stampOf(`${this.folder}/samples`);
    const note = stampOf(`${this.folder}/${NOTE}`);
    const log = stampOf(this.log.path);
    if (!folder || !(log ?? samples)) return null;
    const holder = folderHolder(this.folder);
    // Whatever training writes but the log gets its name by a rename, which changes the time of its folder.
    const facts = [folder, samples, note].map((stamp) => stamp?.text ?? "").join(" ");
    const stamp = `${facts} ${log?.text} ${holder}`;
    if (stamp === this.#stamp) return false;
    if (facts !== this.#factsStamp) this.#facts = await this.#read();
    this.#stamp = stamp;
    this.#factsStamp = facts;
    this.#changed = Math.max(...[folder, samples, note, log].map((stamp) => stamp?.time ?? 0));
    this.#state = this.#stateOf(holder);
    this.isRead = false;
    return true;
  }

  #stateOf(holder: ReturnType<typeof folderHolder>): RunState {
    const isQuiet = Date.now() - this.#changed > QUIET;
    if (holder === "here" || (holder === "elsewhere" && !isQuiet)) return "running";
    return this.#facts?.hasReport ? "finished" : "stopped";
  }

  async #read(): Promise<Facts> {
    const problems: string[] = [];
    const names = (await readdir(this.folder)).sort();
    const dataStamp = stampOf(`${this.folder}/data.json`)?.text ?? "";
    const isSameData = this.#facts !== null && dataStamp === this.#dataStamp;
    this.#dataStamp = dataStamp;
    return {
      config: await readSettings(this.folder, problems),
      data: isSameData ? this.#facts!.data : await readData(this.folder, problems),
      scores: await readScores(this.folder, names, problems),
      samples: await readSamples(this.folder),
      note: await readNote(this.folder),
      hasReport: names.includes("report.html"),
      problems,
    };
  }

  /** Makes the listing of what has been read. */
  list(revision: number): RunListing {
    const { problems, ...facts } = this.#facts!;
    const { log } = this;
    this.listing = {
      ...facts,
      id: this.id,
      state: this.#state,
      stages: [...log.stages].map(([stage, { last, seconds, metrics }]): StageListing => {
        const settings = facts.config[stage];
        const steps = isRecord(settings) && typeof settings.steps === "number" ? settings.steps : null;
        const { step, unit, losses } = last;
        return { stage, step, steps, seconds, unit, losses, metrics };
      }),
      isRead: this.isRead,
      lines: log.lines,
      problems: [...problems, ...[log.problem, this.failure].filter((text) => text !== null)],
      changed: this.#changed,
      revision,
    };
    return this.listing;
  }
}
