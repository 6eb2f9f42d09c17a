/**
 * What scenes are made of, in two files: the things with their drawings (`art.json`), and the pixels of the drawings (`art.rgba`). Made
 * once from the emoji packages; pages download it.
 */

import { UserError } from "../../platform/errors.js";
import { parseJsonRecord } from "../../platform/json.js";
import type { Files, Platform } from "../../platform/platform.js";
import { rendererVersion } from "../emoji.js";
import { readEmojiSources, readEmojiVersions } from "../emoji-sources.js";
import * as names from "./names.js";
import { renderSprites } from "./render-sprites.js";
import { type SheetEntry, SpriteSheet } from "./sprites.js";
import { listThings, type Thing } from "./things.js";
import { USUAL } from "./usual.js";

/** Raise this when the rendering or the list of things changes in another way than by its text. */
const ART_VERSION = 1;
const FORMAT = "mc-diffusion-scene-art-1";
const INDEX = "art.json";
const PIXELS = "art.rgba";

/** The things of scenes and their drawings. */
export interface SceneArt {
  readonly things: readonly Thing[];
  readonly sheet: SpriteSheet;
}

/** Fewer things leave pairs, counts or drawings without any that could be held out. */
const LEAST_THINGS = 30;

/**
 * The art with `count` of its things, the most usual first and others evenly spread over the list; 0: all of them. Throws a
 * `UserError` if there are fewer, or if `count` is below 30.
 */
export function artOf({ things, sheet }: SceneArt, count: number): SceneArt {
  if (count === 0) return { things, sheet };
  if (!Number.isInteger(count) || count < LEAST_THINGS || count > things.length)
    throw new UserError(
      `scenes can show ${LEAST_THINGS} to ${things.length} kinds of things, not ${count}; set data.things, 0 for all`,
    );
  const chosen = new Set<string>(USUAL.slice(0, count));
  const others = things.filter(({ name }) => !chosen.has(name));
  const more = count - chosen.size;
  for (let i = 0; i < more; i++) chosen.add(others[Math.floor((i * others.length) / more)]!.name);
  return { things: things.filter(({ name }) => chosen.has(name)), sheet };
}

/** Writes `folder/art.json` and `folder/art.rgba`. `made` names what the art was made of. */
export async function writeArt(
  { files, hash }: Pick<Platform, "files" | "hash">,
  folder: string,
  { things, sheet }: SceneArt,
  made: string,
): Promise<void> {
  const index = {
    format: FORMAT,
    made,
    sha256: await hash("sha-256", sheet.pixels),
    things: things.map((thing) => ({ ...thing, families: [...thing.families] })),
    entries: sheet.entries,
  };
  await files.makeDirectory(folder);
  await files.write(`${folder}/${PIXELS}`, sheet.pixels);
  await files.write(`${folder}/${INDEX}`, JSON.stringify(index));
}

/**
 * Reads what `writeArt` wrote; null if nothing is there, or what is there was made of something else than `made`. Without `made` anything
 * is right. Throws a `UserError` for damaged files.
 */
export async function readArt(
  { files, hash }: { files: Pick<Files, "read" | "readText" | "exists">; hash: Platform["hash"] },
  folder: string,
  made?: string,
): Promise<SceneArt | null> {
  const path = `${folder}/${INDEX}`;
  if (!(await files.exists(path))) return null;
  const record = parseJsonRecord(await files.readText(path), path);
  if (record.format !== FORMAT || (made !== undefined && record.made !== made)) return null;
  const { things, entries, sha256 } = record;
  const pixels = await files.read(`${folder}/${PIXELS}`);
  if (!Array.isArray(things) || !Array.isArray(entries) || (await hash("sha-256", pixels)) !== sha256)
    throw new UserError(
      `${folder}/${PIXELS} is damaged: it is not what ${INDEX} describes; remove the folder`,
    );
  return {
    things: (things as unknown as (Omit<Thing, "families"> & { families: string[] })[]).map((thing) => ({
      ...thing,
      families: new Set(thing.families),
    })),
    sheet: new SpriteSheet(entries as unknown as [string, SheetEntry][], pixels),
  };
}

/**
 * The art from `folder`, or else rendered from the emoji packages under `modulesDirectory` (1 to 2 minutes on two cores) and written
 * there. `keep`: the first names of the things wanted, if not all.
 */
export async function loadArt(
  platform: Platform,
  {
    folder,
    modulesDirectory,
    keep,
    onProgress,
  }: {
    folder: string;
    modulesDirectory: string;
    keep?: ReadonlySet<string>;
    onProgress?: (done: number, total: number) => void;
  },
): Promise<SceneArt> {
  const packages = await readEmojiVersions(platform.files, modulesDirectory);
  const renderer = await rendererVersion(platform, modulesDirectory);
  const description = [ART_VERSION, ...packages, renderer, ...Object.values(names), ...(keep ?? [])];
  const made = await platform.hash("sha-256", JSON.stringify(description));
  const kept = await readArt(platform, folder, made);
  if (kept) return kept;
  const sources = await readEmojiSources(platform.files, modulesDirectory);
  const things = listThings(sources.emoji).filter(({ name }) => keep?.has(name) ?? true);
  const art = { things, sheet: await renderSprites(platform, sources, things, onProgress) };
  await writeArt(platform, folder, art, made);
  return art;
}
