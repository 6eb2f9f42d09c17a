/** docs/ops.md: every op of both doors is in its tables, with what a call of it shows. Its examples run in ops-door/. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { sharedGpu } from "../host-node.js";
import { root } from "../mutations/mutation.js";
import { exported, opCalls, otherNames } from "./op-calls.js";
import { BEGIN, DOCUMENT, END, opTables } from "./ops-document.js";

const document = readFileSync(join(root, DOCUMENT), "utf8");

t.test("every name of the doors has a row, or is told of beside the tables", (t) => {
  for (const door of ["mc-diffusion/engine", "mc-diffusion/ops"] as const) {
    const named = opCalls.filter((op) => op.door === door).map(({ name }) => name);
    t.same([...named, ...otherNames[door]].sort(), [...exported[door]].sort(), door);
  }
  for (const name of otherNames["mc-diffusion/ops"])
    t.match(document, new RegExp(`\`(await )?${name}\\b`), `${name} is explained`);
  t.end();
});

t.test("each op is in the test that its row names", (t) => {
  for (const { name, tests } of opCalls) {
    const source = readFileSync(join(root, "test", tests), "utf8");
    t.match(source, new RegExp(`\\b${name}\\b`), `${name} in ${tests}`);
  }
  t.end();
});

t.test("the tables are what calls of the ops show", async (t) => {
  const gpu = await sharedGpu();
  const [, listed] = document.split(BEGIN);
  const tables = `\n\n${await opTables(gpu)}\n`;
  const half = (text: string) =>
    gpu.has("shader-f16") ? text : text.replaceAll(", f16", "").replaceAll("f16, ", "");
  t.equal(half(listed!.split(END)[0]!), tables, "docs/ops.md is up to date (npm run ops-table)");
});
