/**
 * Puts the families of kernels into the order in which gzip makes least of them: it finds what is repeated only in the 32 kB
 * before. Tries moves of up to three neighbours for a while and keeps what shrinks; writes `order.json`. Run it by hand after
 * `npm run bundle`, when kernels have changed so much that a bundle comes near its budget.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";

const seconds = Number(process.argv[2] ?? 60);
/** @typedef {{ name: string, source: string }} Kernels A family. */

/** @param {string} path */
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const generated = readFileSync(at("../src/engine/gpu/kernels.generated.ts"), "utf8");
const engine = readFileSync(at("../dist/browser/engine.js"), "utf8");
/** @type {Kernels[]} */
const families = [...generated.matchAll(/\("([\w/-]+)", ("(?:[^"\\]|\\.)*")/g)].map(
  ([, name = "", source = ""]) => ({
    name,
    source: JSON.parse(source),
  }),
);
/** The bundle of the engine, which has the tighter budget, cut around the arguments of its families, in their order. */
const pieces = engine.split(/(\("[\w-]+\/[\w-]+",(?:"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)\))/);
/** @type {Map<string | undefined, string>} */
const inEngine = new Map(pieces.map((text) => [/^\("([\w/-]+)",/.exec(text)?.[1], text]));

/**
 * Bytes of the engine with its families in this order; of all kernels only as much as decides between equals.
 * @param {readonly Kernels[]} order
 */
function cost(order) {
  /** @param {string} text */
  const size = (text) => deflateRawSync(text, { level: 9 }).length;
  const inOrder = order.flatMap(({ name }) => inEngine.get(name) ?? []).values();
  const bundle = pieces.map((text, i) => (i % 2 === 0 ? text : inOrder.next().value)).join("");
  return size(bundle) + size(order.map(({ source }) => source).join("\n")) / 16;
}

let best = families;
let least = cost(best);
console.log(`${families.length} families: ${least}`);
let [kept, size] = [best, least];
const begin = Date.now();
for (;;) {
  // Annealing: at first a few bytes more are taken, too, in the end none.
  const left = 1 - (Date.now() - begin) / 1000 / seconds;
  if (left <= 0) break;
  /** @param {number} below */
  const random = (below) => Math.floor(Math.random() * below);
  const tried = [...kept];
  const moved = tried.splice(random(tried.length), 1 + random(3));
  if (random(3) === 0) moved.reverse();
  tried.splice(random(tried.length + 1), 0, ...moved);
  const bytes = cost(tried);
  if (bytes > size - 15 * left * Math.log(Math.random())) continue;
  [kept, size] = [tried, bytes];
  if (size < least) [best, least] = [kept, size];
}
console.log(`now ${least}`);
writeFileSync(
  at("order.json"),
  `${JSON.stringify(
    best.map(({ name }) => `${name}.wgsl`),
    null,
    2,
  )}\n`,
);
