#!/usr/bin/env node
/**
 * A process of its own for one cold start: from an open device to the end of the first training step of the
 * transformer block. Prints the seconds as JSON. Called by `--vs` with Mesa's shader cache off.
 */

import { openGpu } from "../../dist/cli.js";
import { blockData } from "./block.js";
import { block } from "./cases.js";
import { openPeer } from "./engines.js";
import { ourEngine } from "./ours.js";

const [name, adapter] = process.argv.slice(2);
const data = await blockData(block.size);
const engine =
  name === "ours"
    ? ourEngine(await openGpu(adapter, true))
    : await openPeer(/** @type {import("./engines.js").PeerName} */ (name), adapter);

const cpuBefore = process.cpuUsage();
const began = performance.now();
let complaint = null;
try {
  const runner = await engine.prepare(block, data);
  await runner.sample(1);
  complaint = engine.complaint?.() ?? null;
} catch (error) {
  complaint = error instanceof Error ? error.message : String(error);
}
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
process.stdout.write(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, complaint }));
// Dawn's threads need not be waited for.
process.exit(0);
