/** Permanent links: the picture, the settings and the given words of a caption, in the part of the address after #. */

import { guidanceMethods } from "../../../dist/index.js";
import type { NamedSampling, Sampling } from "./settings.js";

/** A word that the caption must contain at its place, a token id, or null for a place that the model fills. */
export type Given = string | number | null;

/** What a link says. */
export interface Linked {
  /** A picture of the gallery by its file name. */
  readonly file: string | null;
  /** Another picture by its codes, the model's whole view of it. */
  readonly codes: Uint32Array | null;
  readonly sampling: NamedSampling;
  readonly words: readonly Given[] | null;
}

/** Characters of base64url for each code: 12 bits, enough for 4096 codes. */
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The part of an address after # for the tab Caption. */
export function linkTo(
  picture: { file: string | null; codes: Uint32Array | null },
  { steps, temperature, seed, guidance }: Sampling,
  words: readonly Given[] | null,
): string {
  const query = new URLSearchParams();
  if (picture.file !== null) query.set("picture", picture.file);
  else if (picture.codes) query.set("codes", written(picture.codes));
  query.set("seed", String(seed));
  query.set("steps", String(steps));
  query.set("guidance", guidance.method);
  query.set("scale", String(guidance.scale));
  query.set("temperature", String(temperature));
  if (words) query.set("words", words.map(writtenWord).join(","));
  return `#caption?${query}`;
}

/** Reads the part of an address after #. Null if it names nothing but a tab. What it names wrongly is left out. */
export function readLink(hash: string): Linked | null {
  const at = hash.indexOf("?");
  if (at < 0) return null;
  const query = new URLSearchParams(hash.slice(at + 1));
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    const value = text === null || text.trim() === "" ? Number.NaN : Number(text);
    return Number.isFinite(value) ? value : undefined;
  };
  const method = guidanceMethods.find((method) => method === query.get("guidance"));
  const words = query.get("words");
  const codes = query.get("codes");
  return {
    file: query.get("picture"),
    codes: codes === null ? null : readCodes(codes),
    sampling: {
      ...only("steps", number("steps")),
      ...only("temperature", number("temperature")),
      ...only("seed", number("seed")),
      ...only("scale", number("scale")),
      ...only("method", method),
    },
    words: words === null || words === "" ? null : words.split(",").map(readWord),
  };
}

/** The address of the page with another part after #. */
export const addressOf = (hash: string): string => new URL(hash, location.href.replace(/#.*$/s, "")).href;

const only = <K extends string, V>(key: K, value: V | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [name in K]?: V };

function written(codes: Uint32Array): string {
  return Array.from(codes, (id) => digits[id >> 6]! + digits[id & 63]!).join("");
}

function readCodes(text: string): Uint32Array | null {
  if (text.length % 2 === 1 || !/^[\w-]+$/.test(text)) return null;
  return Uint32Array.from(
    { length: text.length / 2 },
    (_, i) => digits.indexOf(text[2 * i]!) * 64 + digits.indexOf(text[2 * i + 1]!),
  );
}

const writtenWord = (word: Given): string =>
  word === null ? "_" : typeof word === "number" ? `#${word}` : word;

function readWord(text: string): Given {
  if (text === "_" || text === "") return null;
  return /^#\d+$/.test(text) ? Number(text.slice(1)) : text;
}
