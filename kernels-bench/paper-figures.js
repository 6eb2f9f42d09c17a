/** Steps at the paper's size that ran here, as figures of the documents. */

import { availableParallelism } from "node:os";
import { kernelColumns, kernelRows, stepText } from "./paper-run.js";
import { bytes, significant } from "./report.js";

/**
 * The figures `paper-run` and, where the device tells times, `paper-kernels`.
 * @param {import("./paper-run.js").Run} run
 * @param {import("./types.js").Gpu} gpu
 * @param {import("./paper-run.js").Summary} summary
 */
export function figuresOfRun(run, gpu, { network, batch, flops, memory }) {
  const options = process.argv.slice(2);
  const at = options.indexOf("--figures");
  const about = {
    command: ["node kernels-bench/paper-scale.js", ...options.toSpliced(at, at < 0 ? 0 : 2)].join(" "),
    date: new Date().toISOString().slice(0, 10),
    // Without the path of its driver.
    adapter: gpu.description.replace(/ \(driver .*\)$/, ""),
    machine: `${availableParallelism()} cores`,
  };
  const last = run.steps.at(-1);
  const rows = [
    ["network", network],
    ["batch", batch],
    ["random weights", `${significant(run.initialised)} s`],
    ...run.steps.map((step, i) => [`step ${i + 1}`, stepText(step)]),
    ["rate of the last step", `${significant(flops / (last?.seconds ?? 0) / 1e9)} GFLOP/s`],
    ["memory on the device, counted", bytes(memory)],
    ["memory of the process, at the most", bytes(run.memory ?? Number.NaN)],
  ];
  return {
    "paper-run": { table: { columns: ["", "measured"], rows }, ...about },
    ...(run.kernels
      ? { "paper-kernels": { table: { columns: kernelColumns, rows: kernelRows(run.kernels) }, ...about } }
      : {}),
  };
}
