/**
 * Training at the paper's size, for real: the preset `paper` (18 blocks of d = 512, 1,024 codes a picture, CLIP's 49,408 tokens,
 * T = 100) learns 8 drawn birds by heart until sampling returns their captions, by the commands as people type them.
 *
 *     node dist-test/support/overfit-paper.js --out DIR
 *
 * Files that do not come with the project have stand-ins (overfit-inputs.ts): a random token table for CLIP's, a VQGAN with random
 * weights and a quarter of the channels for the real one. CLIP's merges are OpenAI's. The network is the preset's; what differs
 * from it is the length of captions, the batch, λ and the learning rate, for a run of hundreds of steps.
 *
 * After the first steps a copy of the run goes back to an earlier checkpoint and resumes: its checkpoint must have the same bytes.
 * Then training and captioning alternate. A second call with the same folder goes on where the first stopped. Writes `result.json`;
 * exits with 0 once all captions are right, with 1 if they are not after `--steps`.
 */

import { existsSync, readFileSync, rmSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { commandLine, integerOption, openGpu, runCommand } from "../../dist/cli/options.js";
import { say } from "../../dist/cli/terminal.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { type Outcome, runCommand as runOther } from "../commands/run.js";
import { type OverfitInputs, writeOverfitInputs } from "./overfit-inputs.js";

interface Options {
  out: string;
  steps: number;
  every: number;
  set: string[];
}

/** What the run has shown so far: the content of result.json. */
interface Result {
  /** Files of the resumed checkpoint whose bytes are those of the unbroken run. */
  resumed?: { step: number; equal: string[] };
  legs: { step: number; seconds: number; loss: number; right: number; captions: string[] }[];
}

const { files } = nodePlatform;
/** Steps of the unbroken run and its copy, and of the checkpoint that the copy resumes from. */
const [checked, resumedFrom] = [4, 2];

async function main(): Promise<void> {
  const program = commandLine(
    "node dist-test/support/overfit-paper.js",
    "Trains the paper's preset at full size until sampling returns the captions of 8 drawn birds.",
  )
    .requiredOption(
      "--out <folder>",
      "where inputs, the run and result.json go; an unfinished one is continued",
    )
    .option("--steps <number>", "most training steps", integerOption(checked + 1), 600)
    .option("--every <number>", "steps between two samplings", integerOption(1), 50)
    .option(
      "--set <key=value>",
      "a setting over those of this run; may be repeated",
      (value, all: string[]) => [...all, value],
      [],
    );
  const options = program.parse().opts<Options>();
  const { out } = options;
  const inputs = await inputsIn(out, options.set);
  const resultPath = join(out, "result.json");
  const result: Result = existsSync(resultPath) ? JSON.parse(readFileSync(resultPath, "utf8")) : { legs: [] };
  const keep = () => files.write(resultPath, `${JSON.stringify(result, null, 1)}\n`);
  const run = join(out, "run");
  if (!result.resumed) {
    rmSync(run, { recursive: true, force: true });
    await succeeds(out, "train", newRun(run, inputs, options));
    result.resumed = await resumeCopy(out, run);
    await keep();
    say(`resumed at step ${resumedFrom}, the checkpoint of step ${checked} has the same bytes`);
  }
  for (let step = result.legs.at(-1)?.step ?? checked; ; ) {
    if (result.legs.at(-1)?.right === inputs.lessons.length) break;
    if (step >= options.steps)
      throw new UserError(`not all captions are right after ${step} steps; see ${resultPath}`);
    // Once most captions are right, steps of this size only move the mistakes from one caption to another.
    const isNear = (result.legs.at(-1)?.right ?? 0) >= 0.75 * inputs.lessons.length;
    step = Math.min(options.steps, step === checked ? options.every : step + options.every);
    const began = performance.now();
    const settings = ["--set", `decoder.steps=${step}`, "--set", "log.checkpointEvery=20"];
    if (isNear) settings.push("--set", "decoder.learningRate=1e-4");
    await succeeds(out, "train", ["--resume", run, ...settings]);
    const seconds = Math.round((performance.now() - began) / 1000);
    const captions = await captionsOf(out, run, inputs);
    const right = captions.filter((caption, i) => caption === inputs.lessons[i]!.caption).length;
    result.legs.push({ step, seconds, loss: lastLoss(run), right, captions });
    await keep();
    say(`step ${step}: ${right} of ${captions.length} captions are right`);
    for (const [i, caption] of captions.entries()) say(`  ${caption}    (${inputs.lessons[i]!.caption})`);
  }
  say(
    `all ${inputs.lessons.length} captions are right after ${result.legs.at(-1)!.step} steps: ${resultPath}`,
  );
}

/** The inputs in a folder, made if they are not there. */
async function inputsIn(out: string, set: readonly string[]): Promise<OverfitInputs> {
  const path = join(out, "inputs.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as OverfitInputs;
  const dim = Number(set.find((entry) => entry.startsWith("decoder.dim="))?.split("=")[1] ?? 512);
  const gpu = await openGpu(undefined, true);
  const inputs = await writeOverfitInputs(gpu, join(out, "inputs"), dim);
  gpu.dispose();
  await files.write(path, `${JSON.stringify(inputs, null, 1)}\n`);
  return inputs;
}

/** Arguments of train.js for a new run. */
function newRun(run: string, inputs: OverfitInputs, { set }: Options): string[] {
  const settings = [
    `data.vocabulary=${inputs.vocabulary}`,
    `decoder.clipWeights=${inputs.clip}`,
    `data.maxLength=${inputs.length}`,
    // The keys and values of 1,024 codes are most of a step: two captions share them.
    "decoder.batch=8",
    "decoder.captionsPerImage=2",
    "decoder.microBatches=1",
    // Hundreds of steps instead of 138,400: λ as in the shorter presets, no averages of weights that still move fast.
    "decoder.lambda=0.5",
    "decoder.learningRate=6e-4",
    "decoder.warmup=20",
    "decoder.emaDecay=0",
    `decoder.steps=${checked}`,
    "sampling.guidance=none",
    "sampling.temperature=0",
    `log.checkpointEvery=${resumedFrom}`,
    "log.every=1",
    "log.sampleEvery=0",
    "log.evaluateEvery=0",
    "log.scored=1",
    ...set,
  ];
  return [
    ...["--preset", "paper", "--data", `folder:${inputs.pictures}`, "--tokenizer", inputs.tokenizer],
    ...["--out", run, "--seed", "1"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
}

/** Runs a command. Throws a `UserError` with what it said if it fails. */
async function succeeds(out: string, command: string, args: readonly string[]): Promise<Outcome> {
  const outcome = await runOther(command, args, { env: { XDG_CACHE_HOME: join(out, "cache") }, echo: true });
  if (outcome.code !== 0) throw new UserError(`${command}.js failed:\n${outcome.stderr}`);
  return outcome;
}

/** Resumes a copy of the run from an earlier checkpoint and compares the last one, byte for byte. */
async function resumeCopy(out: string, run: string): Promise<Result["resumed"]> {
  const copy = join(out, "resumed");
  await rm(copy, { recursive: true, force: true });
  await cp(run, copy, { recursive: true });
  const last = `checkpoints/decoder/step-${String(checked).padStart(6, "0")}`;
  await rm(join(copy, last), { recursive: true });
  await succeeds(out, "train", ["--resume", copy]);
  const names = ["model.safetensors", "optimizer.safetensors"];
  for (const name of names) {
    const [unbroken, again] = [run, copy].map((folder) => readFileSync(join(folder, last, name)));
    if (!unbroken!.equals(again!))
      throw new UserError(`${name} of step ${checked} differs after a resume from step ${resumedFrom}`);
  }
  await rm(copy, { recursive: true });
  return { step: checked, equal: names };
}

/** The captions that sampling returns, in the order of the lessons. */
async function captionsOf(out: string, run: string, { lessons }: OverfitInputs): Promise<string[]> {
  const pictures = lessons.map(({ file }) => file);
  const { stdout } = await succeeds(out, "caption", [
    ...["--weights", join(run, "weights"), "--json", "--seed", "1"],
    ...pictures,
  ]);
  const lines = stdout.trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { caption: string }).caption);
}

/** The loss of the last step in the run's log. */
function lastLoss(run: string): number {
  const line = readFileSync(join(run, "log.jsonl"), "utf8").trim().split("\n").at(-1)!;
  return (JSON.parse(line) as { losses: { total: number } }).losses.total;
}

await runCommand(main);
