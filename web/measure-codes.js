#!/usr/bin/env node
/**
 * Measures how far codes at the edge of a picture are from the training pictures', and stores it in measured/codes.json: the page
 * tells photographs by it. The distance of a picture, cut to its centre square, is the mean of −log p(code | place) over the
 * places at the edge of the grid, with p counted over the training pictures and smoothed by the counts of all places. Drawings
 * stand on white there, photographs do not. The threshold is the 99th percentile of the validation pictures.
 */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandLine, loadDataset, openGpu, runCommand } from "../dist/cli.js";
import { Captioner, imagesOf, readImages, resolveConfig } from "../dist/index.js";
import { nodePlatform, shippedWeights } from "../dist/node.js";

/** Share of the smoothing: the counts of all places. */
const smoothing = 0.1;
/** −log p is stored as a byte of this many nats. */
const unit = 1 / 16;

await runCommand(async () => {
  const program = commandLine(
    "node web/measure-codes.js",
    "Measures the distance of codes from the training pictures' codes, for the page's remark on photographs.",
  )
    .option("--adapter <name>", "lavapipe, swiftshader or the name of a driver")
    .requiredOption("--photos <folder>", "photographs to find by it")
    .option("--from <text>", "where the photographs are from", "");
  const options = /** @type {{ adapter?: string; photos: string; from: string }} */ (program.parse().opts());
  const gpu = await openGpu(options.adapter);
  const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
  const { positions, config } = captioner;
  const { codes: count } = config.vqvae;
  const side = Math.round(Math.sqrt(positions));
  const edge = Array.from({ length: positions }, (_, i) => i).filter(
    (i) => i % side === 0 || i % side === side - 1 || i < side || i >= positions - side,
  );
  const dataset = await loadDataset(resolveConfig({ preset: "emoji" }).data);
  /** @param {string} split */
  const codesOf = async (split) => {
    const images = await readImages(dataset, imagesOf(dataset, dataset.splits[split] ?? []));
    return captioner.encodeAll(images);
  };

  const train = await codesOf("train");
  const pictures = train.length / positions;
  const anywhere = new Float64Array(count).fill(1);
  for (const id of train) anywhere[id] = (anywhere[id] ?? 0) + 1;
  const here = edge.map((place) => {
    const counts = new Float64Array(count);
    for (let i = place; i < train.length; i += positions) {
      const id = train[i] ?? 0;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    return counts;
  });
  const table = Uint8Array.from({ length: edge.length * count }, (_, i) => {
    const [row, id] = [Math.floor(i / count), i % count];
    const p =
      ((1 - smoothing) * (here[row]?.[id] ?? 0)) / pictures +
      (smoothing * (anywhere[id] ?? 0)) / (train.length + count);
    return Math.min(255, Math.round(-Math.log(p) / unit));
  });
  /**
   * The distances of pictures by their codes.
   * @param {Uint32Array} codes
   */
  const distances = (codes) =>
    Array.from({ length: codes.length / positions }, (_, n) => {
      const sum = edge.reduce(
        (sum, place, row) => sum + (table[row * count + (codes[n * positions + place] ?? 0)] ?? 0),
        0,
      );
      return (sum * unit) / edge.length;
    });
  /** @type {(values: readonly number[], share: number) => number} */
  const quantile = (values, share) =>
    values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0;
  const threshold = quantile(distances(await codesOf("validation")), 0.99);
  /** @param {readonly number[]} values */
  const summary = (values) => ({
    pictures: values.length,
    median: Number(quantile(values, 0.5).toFixed(3)),
    above: values.filter((value) => value > threshold).length,
  });
  /** @type {Record<string, ReturnType<typeof summary>>} */
  const measured = {};
  for (const split of Object.keys(dataset.splits))
    if (split !== "train") measured[split] = summary(distances(await codesOf(split)));
  const photos = [];
  for (const name of (await readdir(options.photos)).sort()) {
    const bytes = await readFile(join(options.photos, name));
    const { data } = await nodePlatform.images.decode(bytes, config.data.imageSize, "cover");
    photos.push(...distances(await captioner.encodeAll(data)));
  }
  const result = {
    made: "node web/measure-codes.js --photos FOLDER",
    adapter: gpu.description,
    trainingPictures: pictures,
    threshold: Number(threshold.toFixed(4)),
    measured,
    photos: { ...summary(photos), from: options.from },
    unit,
    codes: count,
    edge,
    table: Buffer.from(table).toString("base64"),
  };
  const { table: _, edge: __, ...shown } = result;
  console.log(JSON.stringify(shown, null, 2));
  await writeFile(new URL("measured/codes.json", import.meta.url), `${JSON.stringify(result)}\n`);
  captioner.dispose();
  gpu.dispose();
  gpu.device.destroy();
});
