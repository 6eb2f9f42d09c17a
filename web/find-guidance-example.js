#!/usr/bin/env node
/**
 * Finds the pictures of the validation split for which guidance matters most, and stores them in measured/guidance.json: the
 * guidance lab opens on the first. In batches it captions every picture without guidance and with it; then it repeats the best
 * candidates one by one, as the page does, with several seeds.
 */

import { writeFile } from "node:fs/promises";
import { commandLine, integerOption, loadDataset, openGpu, runCommand } from "../dist/cli.js";
import { Captioner, fromArray, imagesOf, readImages, resolveConfig } from "../dist/index.js";
import { nodePlatform, shippedWeights } from "../dist/node.js";

/** ω of all methods: what the lab's slider shows at first. */
const scale = 2;
/** @type {readonly import("../dist/index.js").GuidanceMethod[]} */
const methods = ["none", "cfg", "mcs"];

await runCommand(async () => {
  const program = commandLine(
    "node web/find-guidance-example.js",
    "Searches the validation pictures for examples where guidance matters, and stores them for the page.",
  )
    .option("--adapter <name>", "lavapipe, swiftshader or the name of a driver")
    .option("--seeds <number>", "seeds of each candidate", integerOption(1, 1000), 6)
    .option("--limit <number>", "pictures to search, evenly spread", integerOption(1, 100000), 128)
    .option("--candidates <number>", "pictures that are repeated one by one", integerOption(1, 1000), 10);
  const options = /** @type {{ adapter?: string; seeds: number; limit: number; candidates: number }} */ (
    program.parse().opts()
  );
  const gpu = await openGpu(options.adapter);
  const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
  const { data } = resolveConfig({ preset: "emoji" });
  const dataset = await loadDataset(data);
  const all = dataset.splits.validation ?? [];
  const every = Math.max(1, all.length / options.limit);
  const records = all.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every));
  const codes = await captioner.encodeAll(await readImages(dataset, imagesOf(dataset, records)));
  const { positions } = captioner;
  /** @type {(index: number, text: string) => boolean} */
  const isRight = (index, text) => dataset.records[records[index] ?? 0]?.captions.includes(text) ?? false;

  /** Pictures by method that a batch captions with one of their references. */
  const right = /** @type {Map<string, boolean[]>} */ (new Map());
  for (const method of methods) {
    const captions = await captioner.captionCodes(codes, { guidance: { method, scale }, seed: 1 });
    right.set(
      method,
      captions.map(({ text }, i) => isRight(i, text)),
    );
    console.log(`${method}: ${right.get(method)?.filter(Boolean).length} of ${records.length} right`);
  }
  const candidates = records
    .map((_, i) => i)
    .filter((i) => !right.get("none")?.[i])
    .sort((a, b) => gain(b) - gain(a))
    .slice(0, options.candidates);
  /** @param {number} i */
  function gain(i) {
    return Number(right.get("mcs")?.[i]) + Number(right.get("cfg")?.[i]);
  }

  /** @type {{ id: string; captions: readonly string[]; rightOfSeeds: Record<string, number>; seed: number; said: Record<string, string> }[]} */
  const found = [];
  for (const i of candidates) {
    const ids = fromArray(gpu, codes.slice(i * positions, (i + 1) * positions), [1, positions], "u32").keep();
    /** @type {{ seed: number; captions: Record<string, string> }[]} */
    const trials = [];
    for (let seed = 1; seed <= options.seeds; seed++) {
      /** @type {Record<string, string>} */
      const captions = {};
      for (const method of methods)
        captions[method] = (await captioner.caption(ids, { guidance: { method, scale }, seed })).text;
      trials.push({ seed, captions });
    }
    ids.dispose();
    /** @param {string} method */
    const count = (method) => trials.filter(({ captions }) => isRight(i, captions[method] ?? "")).length;
    const counts = Object.fromEntries(methods.map((method) => [method, count(method)]));
    /** Guided captions of a trial that are right.
     * @param {(typeof trials)[number]} trial
     */
    const guided = ({ captions }) =>
      ["cfg", "mcs"].filter((method) => isRight(i, captions[method] ?? "")).length;
    const shown = trials
      .filter((trial) => !isRight(i, trial.captions.none ?? "") && guided(trial) > 0)
      .sort((a, b) => guided(b) - guided(a))[0];
    const record = dataset.records[records[i] ?? 0];
    console.log(`${record?.id}: ${JSON.stringify(counts)} ${JSON.stringify(shown ?? null)}`);
    if (shown && record)
      found.push({
        id: record.id,
        captions: record.captions,
        rightOfSeeds: counts,
        seed: shown.seed,
        said: shown.captions,
      });
  }
  /** How much more often guided captions are right, by both methods together.
   * @param {(typeof found)[number]} example
   */
  const merit = ({ rightOfSeeds: { none = 0, cfg = 0, mcs = 0 } }) => cfg + mcs - 2 * none;
  found.sort((a, b) => merit(b) - merit(a));
  const result = {
    made: "node web/find-guidance-example.js",
    adapter: gpu.description,
    scale,
    seeds: options.seeds,
    searched: records.length,
    right: Object.fromEntries([...right].map(([method, list]) => [method, list.filter(Boolean).length])),
    examples: found.slice(0, 5),
  };
  await writeFile(new URL("measured/guidance.json", import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
  captioner.dispose();
  gpu.dispose();
  gpu.device.destroy();
});
