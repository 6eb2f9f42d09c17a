/**
 * Performs a phase in a process of its own, in Node with Dawn. The argument is the order as JSON, with the adapter's name. Each piece of news is a
 * line of JSON on standard output, behind a character that no other output begins with.
 *
 * To be run with `-C browser`: the tests then take their devices as in a page, from `mcdOpenDevice`.
 */

import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loadDataset } from "../../dist/cli/load-dataset.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { testFiles } from "../browser/test-files.js";
import { ceilingFiles, quickLossesFile, testFolder } from "./files.js";
import { perform } from "./perform.js";
import type { Host, News, Order } from "./phase.js";

const { adapter, ...order } = JSON.parse(process.argv[2]!) as Order & { adapter?: string };
const say = (news: News) => writeSync(1, `\u0001${JSON.stringify(news)}\n`);
const files = {
  "fma.wgsl": ceilingFiles.fma,
  "copy.wgsl": ceilingFiles.copy,
  "quick-losses.json": quickLossesFile,
};
const host: Host = {
  platform: nodePlatform,
  open: () => openNodeDevice({ adapter }),
  text: (file) => readFile(files[file], "utf8"),
  dataset: () => loadDataset(resolveConfig({ preset: "quick" }).data, true),
  modules: async () => testFiles(),
  load: (module) => import(pathToFileURL(join(testFolder, module)).href),
  cpuTime() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  say,
};
say({ type: "outcome", outcome: await perform(order, host) });
process.exit();
