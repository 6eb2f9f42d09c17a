/** The tiny run that is tortured: its data and settings, and what must be the same at its end as in an undisturbed one. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { asLogEntry, type LogEntry } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { loadCheckpoint } from "../../dist/training/checkpoint.js";

export const steps = { vqvae: 8, decoder: 8 } as const;

/** Seconds a run: all phases, evaluations and sheets in the middle of a stage, a checkpoint every other step. */
const settings = [
  "data.imageSize=16",
  "data.maxLength=5",
  "data.augment=1",
  "vqvae.channels=8",
  "vqvae.codes=16",
  "vqvae.codeDim=4",
  "vqvae.downsample=2",
  "vqvae.batch=4",
  `vqvae.steps=${steps.vqvae}`,
  "vqvae.warmup=3",
  "vqvae.restartAfter=3",
  "decoder.dim=8",
  "decoder.blocks=1",
  "decoder.heads=2",
  "decoder.mlpRatio=2",
  "decoder.dropout=0.1",
  "decoder.batch=4",
  "decoder.captionsPerImage=1",
  `decoder.steps=${steps.decoder}`,
  "decoder.warmup=3",
  "decoder.emaEvery=2",
  "decoder.importanceSampling=true",
  "sampling.steps=3",
  "log.every=1",
  "log.sampleEvery=4",
  "log.evaluateEvery=4",
  "log.checkpointEvery=2",
  "log.scored=4",
];

/** Options of train.js that begin a run in a folder, or go on with it if there is one. */
export function trainArguments(pictures: string, folder: string): string[] {
  if (existsSync(join(folder, "config.json"))) return ["--resume", folder];
  return [
    ...["--data", pictures, "--out", folder, "--seed", "3"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
}

const read = (folder: string, name: string) => readFileSync(join(folder, name));

/** The log without clock and memory. */
function numbersOf(folder: string) {
  const lines = read(folder, "log.jsonl").toString().trimEnd().split("\n");
  return lines.map((line) => {
    const { stage, step, losses, learningRate, gradNorm, metrics } = asLogEntry(JSON.parse(line)) as LogEntry;
    return { stage, step, losses, learningRate, gradNorm, metrics };
  });
}

/** Files that depend on the settings and the seed alone. */
const exact = [
  "weights/model.safetensors",
  "weights/config.json",
  "scores.json",
  "scores.md",
  "bound.json",
  "vocabulary.json",
];

/** What differs in a finished run from an undisturbed one; nothing if it is right. */
export function differences(folder: string, undisturbed: string): string[] {
  const problems: string[] = [];
  const [own, expected] = [folder, undisturbed].map(numbersOf);
  if (JSON.stringify(own) !== JSON.stringify(expected)) {
    const at = expected!.findIndex((entry, i) => JSON.stringify(entry) !== JSON.stringify(own![i]));
    const place = expected![at];
    problems.push(
      `log.jsonl differs from ${place ? `${place.stage} step ${place.step} on` : "its end on"}: ${own!.length} entries`,
    );
  }
  const samples = readdirSync(join(undisturbed, "samples")).map((name) => `samples/${name}`);
  for (const name of [...exact, ...samples]) {
    if (!existsSync(join(folder, name))) problems.push(`${name} is missing`);
    else if (!read(folder, name).equals(read(undisturbed, name))) problems.push(`${name} differs`);
  }
  if (!/<\/html>\s*$/.test(read(folder, "report.html").toString())) problems.push("report.html is cut");
  return problems;
}

/** What is wrong with a run folder between two starts, whenever the process ended: everything under its last name is whole. */
export async function damages(folder: string): Promise<string[]> {
  const problems: string[] = [];
  for (const name of ["config.json", "vocabulary.json", "scores.json", "bound.json", "weights/config.json"]) {
    if (!existsSync(join(folder, name))) continue;
    try {
      JSON.parse(read(folder, name).toString());
    } catch {
      problems.push(`${name} is no JSON`);
    }
  }
  for (const stage of ["vqvae", "decoder"]) {
    const checkpoints = join(folder, "checkpoints", stage);
    if (!existsSync(checkpoints)) continue;
    for (const name of readdirSync(checkpoints).filter((name) => name.startsWith("step-"))) {
      await loadCheckpoint(nodePlatform.files, join(checkpoints, name)).catch((error: Error) =>
        problems.push(error.message),
      );
    }
  }
  return problems;
}
