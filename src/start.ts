#!/usr/bin/env node
/** `npm start`: the shipped model's captions, a training of a few minutes, and the captions of both side by side. */

import { spawn } from "node:child_process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Captioner } from "./captioner/captioner.js";
import { loadDataset } from "./cli/load-dataset.js";
import {
  adapterOption,
  commandLine,
  defaultRunFolder,
  numberOption,
  openComputingGpu,
  runCommand,
} from "./cli/options.js";
import { say } from "./cli/terminal.js";
import { resolveConfig } from "./config/resolve.js";
import { type CaptionedImage, type Dataset, imagesOf, readImages } from "./data/dataset.js";
import { recordsOf } from "./evaluation/pictures.js";
import { RunFolder } from "./io/run-folder.js";
import { nodePlatform as platform, shippedWeights } from "./platform/node.js";

interface Options {
  minutes: number;
  out?: string;
  adapter?: string;
}

/** The preset to train: few examples and few pixels. */
const preset = "quick";
/** Splits whose pictures are captioned; no training has seen them. */
const shownSplits = ["tone", "render"];
const shownOfEach = 3;

const { files } = platform;

async function main(): Promise<void> {
  const options = commandLine(
    "npm start --",
    "Captions held-out pictures with the shipped model, trains a small one, and shows the captions of both.",
  )
    .option("--minutes <number>", "time for the training, its scores included", numberOption(0.1, 1e6), 4)
    .option("--out <folder>", `run folder to make (default: runs/${preset}-<time>)`)
    .addOption(adapterOption())
    .parse()
    .opts<Options>();
  const run = options.out ?? defaultRunFolder(preset);
  await RunFolder.checkFree(files, run);

  const shipped = relative(".", shippedWeights());
  const before = await captionHeldOut(shipped, options.adapter);
  say(`\n1. The shipped model (${shipped}) says of pictures that it has never seen:\n`);
  const paths = await writePictures(before, `${run}/held-out`);
  before.records.forEach(({ captions }, i) => {
    say(
      `   ${paths[i]}\n      caption:   ${marked(before.captions[i]!, captions)}\n      reference: ${captions[0]}`,
    );
  });

  const command = ["dist/train.js", "--preset", preset, "--minutes", String(options.minutes), "--out", run];
  if (options.adapter !== undefined) command.push("--adapter", options.adapter);
  say(`\n2. Now a small model is trained:\n\n   node ${command.join(" ")}\n`);
  const code = await runToItsEnd(command);
  if (code !== 0) {
    process.exitCode = code;
    return;
  }

  const after = await captionHeldOut(`${run}/weights`, options.adapter, true);
  say("\n3. Pictures that neither has seen:\n");
  before.records.forEach(({ captions }, i) => {
    const own = after.records.findIndex(({ id }) => id === before.records[i]!.id);
    say(
      `   ${paths[i]}\n      shipped model: ${marked(before.captions[i]!, captions)}\n      trained now:   ${marked(after.captions[own]!, captions)}\n      reference:     ${captions[0]}`,
    );
  });
  const next = [
    [`${run}/report.html`, "curves, captions and scores of this training, in a browser"],
    [`node dist/caption.js ${paths[0]} --show`, "one picture, denoising step by step: try your own"],
    [
      `node dist/evaluate.js --weights ${run}/weights`,
      "all scores with intervals, beside nearest neighbours",
    ],
    ["npm run web", "the same in a page: captions, guidance, training, kernels"],
  ];
  say(`\n4. Go on with:\n\n${next.map(([what, why]) => `   ${what}\n      ${why}`).join("\n")}`);
}

/** A caption, marked if it is one of the references. */
function marked(caption: string, references: readonly string[]): string {
  return references.includes(caption)
    ? `${caption}  (right: one of its ${references.length} references)`
    : caption;
}

interface HeldOut {
  dataset: Dataset;
  records: CaptionedImage[];
  captions: string[];
}

/** Captions a few held-out pictures of the preset's data, at the size that the model of these weights takes. */
async function captionHeldOut(weights: string, adapter: string | undefined, quiet = false): Promise<HeldOut> {
  const gpu = await openComputingGpu(adapter, quiet);
  const captioner = await Captioner.fromFolder(gpu, files, weights);
  const { imageSize } = captioner.config.data;
  const dataset = await loadDataset({ ...resolveConfig({ preset }).data, imageSize }, true);
  const numbers = shownSplits.flatMap((split) => recordsOf(dataset, split, shownOfEach));
  const pictures = await readImages(dataset, imagesOf(dataset, numbers));
  const captions = (await captioner.captionAll(pictures)).map(({ text }) => text);
  captioner.dispose();
  gpu.dispose();
  // The next step runs in another process, which needs the memory.
  gpu.device.destroy();
  return { dataset, records: numbers.map((number) => dataset.records[number]!), captions };
}

/** Writes the pictures as PNG files; returns their paths. */
async function writePictures({ dataset, records }: HeldOut, folder: string): Promise<string[]> {
  await files.makeDirectory(folder);
  const { size } = dataset;
  const paths: string[] = [];
  for (const { id, image } of records) {
    const data = await readImages(dataset, [image]);
    const path = `${folder}/${id.replace(/[^\w-]/g, "-")}.png`;
    await files.write(path, await platform.images.encodePng({ width: size, height: size, data }));
    paths.push(path);
  }
  return paths;
}

/** Runs a command of this package in this terminal; returns its exit code. The command handles signals. */
async function runToItsEnd([script, ...rest]: readonly string[]): Promise<number> {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...rest], { stdio: "inherit" });
  // A terminal sends Ctrl-C and its closing to both processes; signals sent to this process alone are passed on.
  const ignore = () => {};
  const pass = () => child.kill("SIGTERM");
  process.on("SIGINT", ignore).on("SIGHUP", ignore).on("SIGTERM", pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(code ?? 1));
    });
  } finally {
    process.off("SIGINT", ignore).off("SIGHUP", ignore).off("SIGTERM", pass);
  }
}

await runCommand(main);
