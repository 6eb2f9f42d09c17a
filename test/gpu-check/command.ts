#!/usr/bin/env node
/** `npm run gpu-check`: all that can be known of a GPU in eight minutes, as one JSON file and one page. */

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { InvalidArgumentError } from "commander";
import { adapterOption, commandLine, numberOption, runCommand } from "../../dist/cli/options.js";
import { startProgress } from "../../dist/cli/progress.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import type { News, Outcome } from "./phase.js";
import { chosenPhases, type PhaseName, phases } from "./plan.js";
import { fileName, jsonOf, pageOf, reportOf, summaryOf } from "./report.js";
import { type PhaseResult, runCheck, type Start } from "./schedule.js";

const names = phases.map(({ name }) => name);

/** Starts a process for a phase. */
const starter =
  (adapter: string | undefined): Start =>
  (order, onNews) => {
    const inside = fileURLToPath(new URL("inside.js", import.meta.url));
    const child = spawn(process.execPath, ["-C", "browser", inside, JSON.stringify({ ...order, adapter })], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaint = "";
    child.stderr.on("data", (part) => {
      complaint = `${complaint}${part}`.slice(-2000);
    });
    const ended = new Promise<string>((resolve) => {
      child.on("error", ({ message }) => resolve(message));
      child.on("close", (code, signal) => resolve(signal ?? `exit status ${code}`));
    });
    const listen = async (): Promise<Outcome> => {
      let outcome: Outcome | null = null;
      for await (const line of createInterface({ input: child.stdout })) {
        if (!line.startsWith("\u0001")) continue;
        const news = JSON.parse(line.slice(1)) as News;
        if (news.type === "outcome") outcome = news.outcome;
        else onNews(news);
      }
      const how = await ended;
      if (outcome) return outcome;
      const lines = complaint.trim().split("\n");
      throw new Error(
        [how, lines.find((line) => /Error/.test(line)) ?? lines.at(-1)].filter(Boolean).join(": "),
      );
    };
    return { done: listen(), stop: () => void child.kill("SIGKILL") };
  };

function only(text: string): PhaseName[] {
  return text.split(",").map((part) => {
    const name = names.find((known) => known === part.trim());
    if (!name) throw new InvalidArgumentError(`The phases are ${names.join(", ")}.`);
    return name;
  });
}

/** A phase's result in a few lines. */
function linesOf({ title, verdict, seconds, skipped, problems, cut, facts }: PhaseResult): string[] {
  const mark = { passed: "passed ", failed: "FAILED ", skipped: "skipped" }[verdict];
  return [
    `${mark} ${title} (${seconds.toFixed(1)} s)`,
    ...problems.map((problem) => `        ${problem}`),
    ...(skipped === undefined ? [] : [`        ${skipped}`]),
    ...cut.map((line) => `        ${line}`),
    ...Object.entries(facts).map(([name, value]) => `        ${name}: ${value}`),
  ];
}

await runCommand(async () => {
  const command = commandLine(
    "npm run gpu-check --",
    "Checks this machine's GPU: kernels and gradients against float64, races, determinism, training, float16, a step of the paper's size, the bench, a tuning. Writes one JSON file and one page to send. The exit status is 1 if any phase fails.",
  )
    .option("--only <phases>", `some phases alone, by commas: ${names.join(", ")}`, only)
    .option("--out <folder>", "where the JSON file and the page go", ".")
    .option(
      "--minutes <number>",
      "time in all; on a software adapter phases leave out what does not fit",
      numberOption(0.2, 600),
      8,
    )
    .option("--tests <text>", "only test files whose path has this text, in the phases kernels and races")
    .addOption(adapterOption())
    .parse();
  const options = command.opts<{
    only?: PhaseName[];
    out: string;
    minutes: number;
    tests?: string;
    adapter?: string;
  }>();
  const { files } = nodePlatform;
  await files.makeDirectory(options.out);
  const began = performance.now();
  const progress = startProgress({ label: "gpu-check", total: 100, unit: "%" });
  let finished = 0;
  const count = chosenPhases(options.only).length;
  const percent = (done: number) => Math.round((100 * done) / count);
  let results: PhaseResult[];
  try {
    results = await runCheck({
      minutes: options.minutes,
      only: options.only,
      tests: options.tests,
      start: starter(options.adapter),
      onProgress: (phase, share, text) => progress.update(percent(finished + share), `${phase}: ${text}`),
      onResult(result) {
        finished++;
        for (const line of linesOf(result)) progress.log(line);
        progress.update(percent(finished), result.title);
      },
    });
  } finally {
    progress.stop();
  }
  const { version } = JSON.parse(
    await files.readText(fileURLToPath(new URL("../../package.json", import.meta.url))),
  ) as { version: string };
  const report = reportOf(results, {
    date: new Date().toISOString(),
    version,
    runtime: `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${availableParallelism()} cores`,
    seconds: (performance.now() - began) / 1000,
  });
  const path = join(options.out, fileName(report));
  await files.write(`${path}.json`, jsonOf(report));
  await files.write(`${path}.html`, pageOf(report));
  console.log(`${summaryOf(report)} on ${report.adapter}, ${report.seconds.toFixed(0)} s`);
  console.log(`written: ${path}.json and ${path}.html`);
  if (results[0]!.verdict === "failed") throw new UserError(results[0]!.problems[0]!);
  if (results.some(({ verdict }) => verdict === "failed")) process.exitCode = 1;
});
