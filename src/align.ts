#!/usr/bin/env node
/** `node dist/align.js`: measures whether the words of captions of scenes belong to the things that they are about. */

import { Option } from "commander";
import { Captioner } from "./captioner/captioner.js";
import type { Precision } from "./captioner/files.js";
import { codeStoreFor } from "./cli/code-store.js";
import { namedWeights } from "./cli/compared-models.js";
import { datasetRecord, originRecord, weightsRecord } from "./cli/evaluation-record.js";
import { loadDataset } from "./cli/load-dataset.js";
import {
  adapterOption,
  checkOutput,
  commandLine,
  integerOption,
  openComputingGpu,
  precisionOption,
  runCommand,
  type SamplingFlags,
  samplingFlags,
  samplingOf,
  tuningHelp,
} from "./cli/options.js";
import { withLateProgress } from "./cli/progress.js";
import { checkSheet, writeSheet } from "./cli/sheet-file.js";
import { say, tell } from "./cli/terminal.js";
import "./samplers.js";
import { type Dataset, imagesOf, readImages } from "./data/dataset.js";
import { isScenes, type ScenesDataset } from "./data/scenes/dataset.js";
import { type AlignedCaptions, alignCaptioner, CAPTIONS } from "./evaluation/alignment/align.js";
import { alignmentLegend, alignmentOf, alignmentTables } from "./evaluation/alignment/tables.js";
import { recordsOf } from "./evaluation/pictures.js";
import { modelNames } from "./evaluation/table/model-names.js";
import { DRAWS } from "./metrics/bootstrap.js";
import { UserError } from "./platform/errors.js";
import { nodePlatform as platform } from "./platform/node.js";
import { type AttentionPicture, attentionSheet, type SheetMap } from "./report/attention-sheet.js";
import "./vqgan.js";

interface Options extends SamplingFlags {
  weights: string[];
  split: string;
  limit: number;
  captions: (typeof CAPTIONS)[number];
  regions: number;
  seed?: number;
  draws: number;
  json?: string;
  sheet?: string;
  examples: number;
  precision?: Precision;
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
}

/** A model with what was measured. */
interface Aligned extends AlignedCaptions {
  readonly name: string;
  readonly weights: string;
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/align.js",
    "Measures the words of captions of scenes: where they look, and what hiding, moving or growing a thing does to their probabilities.",
  )
    .requiredOption("--weights <folders...>", "weights that were trained on scenes; several are compared")
    .option("--split <name>", "split of the pictures", "test")
    .option("--limit <number>", "pictures, evenly spread over the split; 0 = all", integerOption(0), 200)
    .addOption(
      new Option(
        "--captions <whose>",
        "generated: by each model; references: the data set's own, the same for all models",
      )
        .choices([...CAPTIONS])
        .default("generated"),
    )
    .option(
      "--regions <number>",
      "places elsewhere in the picture that a word's own region is compared with",
      integerOption(1, 100),
      4,
    )
    .option("--seed <number>", "seed of generated captions (default: the model's)", integerOption(0, 2 ** 31))
    .option("--draws <number>", "bootstrap resamples of the pictures", integerOption(1, 1_000_000), DRAWS)
    .option("--json <file>", "write all measures as JSON")
    .option("--sheet <file>", "draw where words look in example pictures: PNG or SVG, by its ending")
    .option("--examples <number>", "pictures on the sheet", integerOption(1, 100), 8)
    .addOption(precisionOption())
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress");
  const { weights, split, limit, captions, regions, draws, json, sheet, examples, ...rest } = samplingFlags(
    program,
  )
    .parse()
    .opts<Options>();
  const { precision, adapter, tuning, quiet, ...sampling } = rest;
  if (json !== undefined) checkOutput("--json", json);
  if (sheet !== undefined) checkSheet("--sheet", sheet);
  const named = await namedWeights({ weights, data: "scenes", sampling });
  const sizes = [...new Set(named.map(({ config }) => config.data.imageSize))];
  if (sizes.length > 1)
    throw new UserError(
      `--weights: these read pictures of ${sizes.join(" and ")} pixels, which show other scenes; compare those of one size`,
      2,
    );
  const gpu = await openComputingGpu(adapter, quiet, tuning);
  const { data } = named[0]!.config;
  const chosen = (dataset: Dataset) => recordsOf(dataset, split, limit);
  const dataset = await loadDataset(
    { ...data, source: "scenes", folder: "", split: "", subset: 1 },
    quiet,
    chosen,
  );
  if (!isScenes(dataset)) throw new Error("the data set scenes does not know its scenes");
  const records = chosen(dataset);
  if (records.length === 0)
    throw new UserError(
      `--split: scenes have no split "${split}"; they have ${Object.keys(dataset.splits).join(", ")}`,
      2,
    );
  const names = modelNames(weights);
  const options = { ...samplingOf(sampling), captions, regions };
  const models = await withLateProgress(
    { label: "alignment", unit: "pictures", quiet },
    async (onProgress) => {
      const aligned: Aligned[] = [];
      for (const [i, folder] of weights.entries()) {
        const captioner = await Captioner.fromFolder(gpu, platform.files, folder, { precision });
        captioner.codeStore = await codeStoreFor(captioner, captioner.config);
        const onPicture = (done: number) =>
          onProgress(i * records.length + done, weights.length * records.length);
        const measured = await alignCaptioner(captioner, dataset, records, { ...options, onPicture });
        aligned.push({ name: names[i]!, weights: folder, ...measured });
        captioner.dispose();
      }
      return aligned;
    },
  );
  const alignment = alignmentOf(models, draws);
  say(`${alignmentTables(alignment)}\n\n${alignmentLegend(alignment)}`);
  if (json !== undefined) {
    const record = {
      format: "mc-diffusion-alignment-1",
      ...(await originRecord(gpu.description)),
      models: await Promise.all(
        models.map(async ({ name, weights: folder }) => ({ name, weights: await weightsRecord(folder) })),
      ),
      dataset: datasetRecord(dataset),
      ...{ split, captions, regions, ...alignment },
    };
    await platform.files.write(json, `${JSON.stringify(record, null, 1)}\n`);
  }
  if (sheet !== undefined) {
    const pictures = await examplesOf(dataset, records.slice(0, examples), models);
    await writeSheet(sheet, await attentionSheet(platform.images, pictures));
    if (!quiet) tell(`sheet:   ${sheet}`);
  }
  await dataset.images.close();
}

/** The first pictures with the words of all models. */
async function examplesOf(
  dataset: ScenesDataset,
  records: readonly number[],
  models: readonly Aligned[],
): Promise<AttentionPicture[]> {
  const { size } = dataset;
  const images = imagesOf(dataset, records);
  const bytes = await readImages(dataset, images);
  return images.map((image, i) => {
    const { boxes } = dataset.annotated(image);
    const mapsOf = ({ looks }: Aligned): SheetMap[] =>
      (looks[i]?.phrases ?? []).map(({ text, objects, map, attention, own }) => ({
        title: text,
        notes: [
          `${(100 * attention.inBox).toFixed(0)} % in box, area ${(100 * attention.area).toFixed(0)} %`,
          `Δ ${own.toFixed(2)} nats`,
        ],
        map,
        boxes: objects.flatMap((number) => boxes[number] ?? []),
      }));
    return {
      title: dataset.records[records[i]!]!.id,
      image: { width: size, height: size, data: bytes.subarray(i * size ** 2 * 3, (i + 1) * size ** 2 * 3) },
      captions: models.map((model) => ({ name: model.name, text: model.captions[i]!, maps: mapsOf(model) })),
    };
  });
}

await runCommand(main);
