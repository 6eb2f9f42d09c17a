/** Deliberate mistakes in what a long life needs: what is given back, what survives a fault. */

import type { Mutation } from "./mutation.js";

const lifetimes = "engine/gpu/lifetimes.test.ts";
const resume = "training/resume.test.ts";
const stage = "src/training/loop.ts";

export const life: readonly Mutation[] = [
  {
    name: "subgroups: an odd order of lanes is taken for the usual one",
    file: "src/platform/subgroup-layout.ts",
    find: "return new Uint32Array(told.getMappedRange())[0] === 0;",
    replace: "return new Uint32Array(told.getMappedRange())[0] !== 2;",
    tests: ["platform/subgroup-layout.test.ts"],
  },
  {
    name: "subgroups: kernels with subgroups run whatever the order of lanes",
    file: "src/engine/gpu/gpu.ts",
    find: " && !unorderedSubgroups.has(device)",
    replace: "",
    tests: ["platform/subgroup-layout.test.ts"],
  },
  {
    name: "capture: uniforms are written where there are none",
    file: "src/engine/gpu/captured-work.ts",
    find: "if (recording.uniformBytes) ",
    replace: "",
    tests: ["engine/gpu/order.test.ts # copies alone"],
  },
  {
    name: "submission: uniforms are written where there are none",
    file: "src/engine/gpu/submission.ts",
    find: "if (values?.length)",
    replace: "if (values)",
    tests: ["engine/gpu/order.test.ts # copies alone"],
  },
  {
    name: "pipelines: naga's frame stays in messages",
    file: "src/engine/gpu/compilation-errors.ts",
    find: "(.*[┌│].*|\\s)+/g",
    replace: "(\\s)+/g",
    tests: ["engine/gpu/compilation-errors.test.ts"],
  },
  {
    name: "engines stay with their device after dispose",
    file: "src/engine/gpu/device-events.ts",
    find: "return () => listeners.delete(listener);",
    replace: "return () => listeners.size > 1e6 && listeners.delete(listener);",
    tests: [`${lifetimes} # nothing of an engine`],
  },
  {
    name: "an engine made on a lost device is not told",
    file: "src/engine/gpu/device-events.ts",
    find: "if (lost) queueMicrotask(() => listener(lost));",
    replace: "if (lost) queueMicrotask(() => {});",
    tests: [`${lifetimes} # nothing of an engine`],
  },
  {
    name: "each device has an instance of the driver",
    file: "src/platform/node-adapter.ts",
    find: "JSON.stringify([userDrivers(),",
    replace: "JSON.stringify([instances.size, userDrivers(),",
    tests: [`${lifetimes} # devices come and go`],
  },
  {
    name: "bind groups are kept for ever",
    file: "src/engine/gpu/bind-groups.ts",
    find: "if (this.#young.size === mostOfAnAge) {",
    replace: "if (this.#young.size === -mostOfAnAge) {",
    tests: [`${lifetimes} # bind groups that are kept`],
  },
  {
    name: "the buffer that came back last is handed out first",
    file: "src/engine/gpu/pool.ts",
    find: "list.sort((a, b) => b.id - a.id);",
    replace: "",
    tests: [`${lifetimes} # work that is done again`],
  },
  {
    name: "server: files of broken-off downloads stay open",
    file: "web/server.js",
    find: "pipeline(createReadStream(file.path), stream, () => {});",
    replace: "createReadStream(file.path).pipe(stream);",
    tests: ["browser/web-server.test.ts # downloads"],
  },
  {
    name: "a step with a NaN is not taken back",
    file: stage,
    find: "          trainer.undo();\n",
    replace: "",
    tests: [`${resume} # a loss that is not a number leaves`],
  },
  {
    name: "an error loses the steps since the checkpoint",
    file: stage,
    find: "if (isWhole && latest && saved !== step) await save(latest);",
    replace: "if (isWhole && latest && saved > step) await save(latest);",
    tests: [`${resume} # too little memory`],
  },
  {
    name: "an evaluation is not stopped",
    file: stage,
    find: "entry.metrics = await trainer.evaluate(stopIfAsked);",
    replace: "entry.metrics = await trainer.evaluate(() => {});",
    tests: [`${resume} # who asks to stop within`],
  },
  {
    name: "captions are made for nobody",
    file: "src/caption.ts",
    find: "if (isOutputGone()) break;",
    replace: "",
    tests: ["commands/pipes.test.ts # captions that nobody"],
  },
  {
    name: "evaluate.js finds out at its end that it cannot write",
    file: "src/evaluate.ts",
    find: "if (file !== undefined) checkOutput(option, file);",
    replace: 'if (file === "") checkOutput(option, file);',
    tests: ["commands/evaluate.test.ts # wrong usage"],
  },
];
