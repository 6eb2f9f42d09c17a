/** `npm run ops-table`: writes the tables of docs/ops.md anew. Needs a device with float16. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { root } from "../mutations/mutation.js";
import { BEGIN, DOCUMENT, END, opTables } from "./ops-document.js";

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
if (!gpu.has("shader-f16"))
  throw new Error("this device has no float16; the table names the ops that take it");
const path = join(root, DOCUMENT);
const text = readFileSync(path, "utf8");
const [before, rest] = text.split(BEGIN);
writeFileSync(path, `${before}${BEGIN}\n\n${await opTables(gpu)}\n${END}${rest!.split(END)[1]}`);
gpu.dispose();
