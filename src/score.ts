#!/usr/bin/env node
/** `node dist/score.js RESULTS REFERENCES`: scores the captions of any captioner. */

import { Option } from "commander";
import { type JarScores, meteorByJar, spiceByJar } from "./cli/java.js";
import { checkOutput, commandLine, runCommand } from "./cli/options.js";
import { withLateProgress } from "./cli/progress.js";
import { say, tell } from "./cli/terminal.js";
import { readWordNet } from "./cli/wordnet.js";
import { pairCaptions, parseCaptionFile } from "./data/caption-files.js";
import { captionMetrics, reportCaptions } from "./metrics/caption-metrics.js";
import { type CaptionTokenizer, spacesTokenizer, wordsTokenizer } from "./metrics/caption-tokenizer.js";
import { diversity } from "./metrics/diversity.js";
import { ptbTokenizer } from "./metrics/ptb/tokenizer.js";
import { nodePlatform } from "./platform/node.js";
import { shown } from "./platform/shown.js";

interface Options {
  tokenizer: "ptb" | "words" | "none";
  perImage?: boolean;
  json?: boolean;
  out?: string;
  training?: string;
  meteorJar?: string;
  spiceJar?: string;
  java?: string;
  quiet?: boolean;
}

const TOKENIZERS: Record<Options["tokenizer"], CaptionTokenizer> = {
  ptb: ptbTokenizer,
  words: wordsTokenizer,
  none: spacesTokenizer,
};

/** Scores beyond `captionMetrics`: their titles. */
const MORE_TITLES: Readonly<Record<string, string>> = {
  meteorJar: "METEOR 1.5 (jar)",
  spice: "SPICE (jar)",
  distinct1: "distinct-1",
  distinct2: "distinct-2",
  distinctCaptions: "distinct captions",
  newCaptions: "new captions",
  length: "mean length",
};

/** A score of the corpus, or of one picture. */
type Scores = Record<string, number>;

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/score.js",
    "Scores the captions of any captioner against references.",
  )
    .argument("<results>", "captions to score, one a picture")
    .argument("<references>", "references, one or more a picture")
    .addOption(
      new Option(
        "--tokenizer <name>",
        "ptb: as coco-caption; words: any script, emoji; none: split at spaces",
      )
        .choices(["ptb", "words", "none"])
        .default("ptb"),
    )
    .option("--per-image", "also the scores of each picture")
    .option("--json", "print JSON: {bleu1, …, perImage?: [{image_id, bleu1, …}]}")
    .option("--out <file>", "write the JSON to a file")
    .option("--training <file>", "captions that the model learned from: the share of new captions")
    .option(
      "--meteor-jar <file>",
      "also METEOR 1.5 with all modules, by meteor-1.5.jar with its data beside it",
    )
    .option("--spice-jar <file>", "also SPICE, by spice-1.0.jar with its lib beside it; needs Java 8")
    .option("--java <program>", "Java for the jars (default: java)")
    .option("--quiet", "print no progress")
    .addHelpText(
      "after",
      `
Files are COCO's results or annotations, {"id": "caption"} or {"id": ["caption", …]}, JSON Lines with image_id and caption or
captions, or CSV with the columns image_id and caption. docs/evaluation.md has the formula of each metric.`,
    );
  const options = program.parse().opts<Options>();
  const [resultsFile, referencesFile] = program.args as [string, string];
  if (options.out !== undefined) checkOutput("--out", options.out);
  const tokenizer = TOKENIZERS[options.tokenizer];
  const { ids, candidates, references, missing } = pairCaptions(
    await readCaptions(resultsFile),
    await readCaptions(referencesFile),
    { results: shown(resultsFile), references: shown(referencesFile) },
  );
  if (missing > 0)
    tell(
      `careful: ${missing} pictures of ${shown(referencesFile)} have no caption in ${shown(resultsFile)}; the ${ids.length} others are scored`,
    );
  const training =
    options.training === undefined ? [] : [...(await readCaptions(options.training)).values()].flat();

  const wordNet = await readWordNet();
  const { quiet } = options;
  const report = await withLateProgress({ label: "metrics", unit: "metrics", quiet }, async (onProgress) =>
    reportCaptions(candidates, references, { tokenizer, wordNet, onMetric: onProgress }),
  );
  const scores: Scores = { ...report.scores };
  const each: Scores[] = report.each.map((own) => ({ ...own }));
  const addJar = (name: string, jar: JarScores) => {
    scores[name] = jar.score;
    for (const [i, own] of each.entries()) own[name] = jar.each[i]!;
  };
  const { java, meteorJar, spiceJar } = options;
  if (meteorJar !== undefined) {
    const said = candidates.map(tokenizer.candidate);
    const read = references.map((list) => list.map(tokenizer.reference));
    await withLateProgress({ label: "METEOR", unit: "captions", quiet }, async (onProgress) =>
      addJar("meteorJar", await meteorByJar(meteorJar, said, read, { java, onProgress })),
    );
  }
  if (spiceJar !== undefined) addJar("spice", await spiceByJar(spiceJar, candidates, references, { java }));
  Object.assign(scores, diversity(candidates, training, tokenizer));

  const record = {
    images: ids.length,
    tokenizer: options.tokenizer,
    ...scores,
    ...(options.perImage ? { perImage: each.map((own, i) => ({ image_id: ids[i]!, ...own })) } : {}),
  };
  // NaN, where a metric does not apply, becomes null.
  const json = JSON.stringify(record, null, 1);
  if (options.out !== undefined) await nodePlatform.files.write(options.out, `${json}\n`);
  if (options.json) say(json);
  else {
    const titles: Record<string, string> = { ...MORE_TITLES };
    for (const [name, { title }] of captionMetrics({ wordNet })) titles[name] = title;
    say(tables(scores, titles, options.perImage ? { ids, each } : null));
  }
}

async function readCaptions(file: string) {
  return parseCaptionFile(shown(file), await nodePlatform.files.readText(file));
}

/** The scores as Markdown: a row a metric, and with `pictures` a second table with a row a picture. */
function tables(
  scores: Scores,
  titles: Readonly<Record<string, string>>,
  pictures: { ids: readonly string[]; each: readonly Scores[] } | null,
): string {
  const names = Object.keys(scores).filter((name) => !Number.isNaN(scores[name]!));
  const rows = names.map((name) => `| ${titles[name]} | ${cell(scores[name]!)} |`);
  const table = ["| metric | score |", "| --- | --- |", ...rows].join("\n");
  if (pictures === null) return table;
  const columns = names.filter((name) => pictures.each.some((own) => own[name] !== undefined));
  const lines = pictures.each.map(
    (own, i) => `| ${shown(pictures.ids[i]!, 60)} | ${columns.map((name) => cell(own[name]!)).join(" | ")} |`,
  );
  const head = `| picture | ${columns.map((name) => titles[name]).join(" | ")} |`;
  return [table, "", head, `| --- |${" --- |".repeat(columns.length)}`, ...lines].join("\n");
}

const cell = (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(4));

await runCommand(main);
