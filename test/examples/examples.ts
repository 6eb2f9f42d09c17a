/** The programs in examples/: how the tests run them, small, and what they must print. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeSafetensors, type StoredTensor } from "../../dist/index.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const folder = join(root, "examples");
export const names = readdirSync(folder)
  .filter((name) => name.endsWith(".js"))
  .sort();

export const sourceOf = (name: string) => readFileSync(join(folder, name), "utf8");

/** The example's first comment, without the command in it. */
export function summaryOf(name: string): string {
  const comment = /^\/\*\*\s*([\s\S]*?)\s*\*\//.exec(sourceOf(name))?.[1] ?? "";
  return comment.replace(/\s*\n \*\s*/g, " ").replace(/[:,] `node examples.*$/, ".");
}

/** Runs an example as a reader would, from the root of the package. Adapter messages on standard error are not part of the output. */
export function run(
  name: string,
  args: readonly string[] = [],
): { status: number | null; output: string; errors: string } {
  // tap hooks itself into child processes of Node through NODE_OPTIONS.
  const command = ["-u", "NODE_OPTIONS", process.execPath, join("examples", name), ...args];
  const { status, stdout, stderr } = spawnSync("env", command, { cwd: root, encoding: "utf8" });
  return { status, output: stdout, errors: stderr };
}

/** Number i of the weights of foreign-weights.js: element i of a tensor of `length`. */
export const foreignNumber = (i: number, length: number) => Math.fround(Math.sin(i + length));

/** The file that foreign-weights.js reads: names and layouts as PyTorch has them, made-up numbers. */
export function foreignWeights(): Uint8Array {
  const shapes = { "0.weight": [2, 1, 3, 3], "0.bias": [2], "4.weight": [3, 2], "4.bias": [3], steps: [1] };
  const tensors = Object.entries(shapes).map(([name, shape]): [string, StoredTensor] => {
    const length = shape.reduce((a, b) => a * b);
    const data = Float32Array.from({ length }, (_, i) => foreignNumber(i, length));
    return [name, { dtype: "F32", shape, data }];
  });
  return encodeSafetensors(new Map(tensors));
}
