#!/usr/bin/env node
/** `node dist/samples.js`: a sheet of pictures of a data set with their captions; of scenes with boxes, too. */

import { dataHelp, dataSettings } from "./cli/data-option.js";
import { loadDataset } from "./cli/load-dataset.js";
import { commandLine, integerOption, runCommand } from "./cli/options.js";
import { checkSheet, writeSheet } from "./cli/sheet-file.js";
import { say } from "./cli/terminal.js";
import { resolveConfig } from "./config/resolve.js";
import { type Dataset, imagesOf, readImages } from "./data/dataset.js";
import { isScenes } from "./data/scenes/dataset.js";
import { recordsOf } from "./evaluation/pictures.js";
import { UserError } from "./platform/errors.js";
import { nodePlatform as platform } from "./platform/node.js";
import { type AnnotatedPicture, annotatedSheet } from "./report/annotated-sheet.js";

interface Options {
  data: string;
  split: string;
  count: number;
  first: number;
  captions: number;
  scale: number;
  out: string;
  set: string[];
  quiet?: boolean;
}

async function main(): Promise<void> {
  const options = commandLine(
    "node dist/samples.js",
    "Draws a sheet of pictures of a data set with their captions. Of scenes, each content word has the colour of the box that it is about.",
  )
    .option("--data <source>", dataHelp, "scenes")
    .option("--split <name>", "split of the pictures", "test")
    .option("--count <number>", "pictures", integerOption(1, 500), 12)
    .option("--first <number>", "pictures of the split to skip", integerOption(0), 0)
    .option("--captions <number>", "most captions of each picture", integerOption(1, 100), 10)
    .option("--scale <factor>", "pixels of the sheet for each pixel of a picture", integerOption(1, 16), 2)
    .option("--out <file>", "PNG or SVG to write, by its ending", "samples.png")
    .option(
      "--set <key=value>",
      "one setting, such as data.imageSize=128; may be repeated",
      (entry: string, all: string[]) => [...all, entry],
      [],
    )
    .option("--quiet", "print no progress")
    .parse()
    .opts<Options>();
  const { out, split, count, first } = options;
  checkSheet("--out", out);
  const preset = options.data === "scenes" ? "scenes" : "emoji";
  const { data } = resolveConfig({ preset, set: [...(await dataSettings(options.data)), ...options.set] });
  const chosen = (dataset: Dataset) => recordsOf(dataset, split, 0).slice(first, first + count);
  const dataset = await loadDataset(data, options.quiet, chosen);
  const records = chosen(dataset);
  if (records.length === 0) {
    const known = Object.entries(dataset.splits).map(([name, { length }]) => `${name} (${length})`);
    throw new UserError(
      `--split ${split} --first ${first}: no pictures there; the splits of ${dataset.name} are ${known.join(", ")}`,
      2,
    );
  }
  const pictures = await picturesOf(dataset, records, options.captions);
  await dataset.images.close();

  await writeSheet(
    out,
    await annotatedSheet(platform.images, pictures, { scale: options.scale, columns: 2 }),
  );
  say(`${out}: ${records.length} pictures of split ${split}, ${dataset.name}`);
}

async function picturesOf(
  dataset: Dataset,
  records: readonly number[],
  most: number,
): Promise<AnnotatedPicture[]> {
  const { size } = dataset;
  const bytes = await readImages(dataset, imagesOf(dataset, records));
  return records.map((record, i) => {
    const { id, image, captions } = dataset.records[record]!;
    const truth = isScenes(dataset) ? dataset.annotated(image) : null;
    return {
      title: id,
      image: { width: size, height: size, data: bytes.subarray(i * size ** 2 * 3, (i + 1) * size ** 2 * 3) },
      boxes: truth?.boxes ?? [],
      captions: captions.slice(0, most).map((text, number) => ({
        text,
        marks: (truth?.captions[number]?.words ?? []).map(({ start, end, objects }) => ({
          start,
          end,
          boxes: objects,
        })),
      })),
    };
  });
}

await runCommand(main);
