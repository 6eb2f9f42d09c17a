/** Samples in one built checkout for captions.js: a JSON line in, a JSON line out. */

import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { randomSource } from "./random.js";

const checkout = resolve(String(process.argv[2]));
/** @param {string} path */
const load = (path) => import(pathToFileURL(join(checkout, "dist", path)).href);

const { Captioner, Gpu } = await load("index.js");
const { nodePlatform, openNodeDevice } = await load("node.js");
// A checkout from before many settings at once samples one seed after the other, as its evaluate.js did.
const { captionSettings } = await load("training.js");

const opened = await openNodeDevice({});
const gpu = Gpu.from(opened.device, opened);
const weights = resolve(new URL("../weights/emoji", import.meta.url).pathname);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, weights);

for await (const line of createInterface({ input: process.stdin })) {
  const { method, pictures, seeds: count, steps, topR } = JSON.parse(line);
  const codes = Uint32Array.from(
    randomSource(1).ids(pictures * captioner.positions, captioner.decoder.shape.codes),
  );
  const seeds = Array.from({ length: count }, (_, i) => i + 1);
  const setting = { guidance: { method, scale: 1.25, maskMode: "fixed" }, steps, topR };
  const began = performance.now();
  const cpu = process.cpuUsage();
  const said = captionSettings
    ? (await captionSettings(captioner, codes, { settings: [setting], seeds })).flat(2)
    : (await inTurn(codes, setting, seeds)).flat();
  const { user, system } = process.cpuUsage(cpu);
  const sample = { ms: performance.now() - began, cpuMs: (user + system) / 1000, captions: said };
  process.stdout.write(`${JSON.stringify(sample)}\n`);
}
process.exit(0);

/**
 * @param {Uint32Array} codes
 * @param {object} setting
 * @param {readonly number[]} seeds
 * @returns {Promise<string[][]>}
 */
async function inTurn(codes, setting, seeds) {
  const said = [];
  for (const seed of seeds) {
    const captions = await captioner.captionCodes(codes, { ...setting, seed });
    said.push(captions.map((/** @type {{ text: string }} */ { text }) => text));
  }
  return said;
}
