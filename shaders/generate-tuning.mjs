/**
 * Writes `src/engine/gpu/tuning/tuning.generated.ts` from `shaders/tuning.json`, the tuning table that comes with the package, so
 * that a browser's bundle carries it like the shaders. Run by `npm run generate` (part of `npm run build`).
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const source = new URL("tuning.json", import.meta.url);
const target = new URL("../src/engine/gpu/tuning/tuning.generated.ts", import.meta.url);

let table;
try {
  table = JSON.parse(readFileSync(source, "utf8"));
} catch (error) {
  console.error(`shaders/tuning.json: ${/** @type {Error} */ (error).message}`);
  process.exit(1);
}
// What only people read (reasons, gains) stays in the file, and of what was measured the date is enough.
const forPeople = new Set(["why", "speedup", "noise"]);
const lean = JSON.stringify(table, (key, value) => {
  if (forPeople.has(key)) return undefined;
  return key === "measured" && value !== null ? value.split(", ").at(-1) : value;
});
const output = `// Generated from shaders/tuning.json by shaders/generate-tuning.mjs. Do not edit; run kernels-bench/run.js --tune.
import type { TuningTable } from "./tuning-table.js";

export const shippedTuning: TuningTable = ${lean};
`;
if (!existsSync(target) || readFileSync(target, "utf8") !== output) writeFileSync(target, output);
