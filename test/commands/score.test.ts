import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { cocoCaption } from "../metrics/coco-caption.js";
import { runCommand } from "./run.js";

t.setTimeout(300_000);

/** A folder with results and references of the corpus in test/metrics/coco-caption.ts. */
async function corpus(t: Test): Promise<{ folder: string; files: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "score-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const files = [join(folder, "results.json"), join(folder, "references.json")];
  const results = cocoCaption.items.map(({ candidate }, i) => ({ image_id: i, caption: candidate }));
  const annotations = cocoCaption.items.flatMap(({ references }, i) =>
    references.map((caption) => ({ image_id: i, caption })),
  );
  await writeFile(files[0]!, JSON.stringify(results));
  await writeFile(files[1]!, JSON.stringify({ annotations }));
  return { folder, files };
}

/** A program that stands in for Java. */
async function fakeJava(folder: string, script: string): Promise<string> {
  const path = join(folder, "java");
  await writeFile(join(folder, "java.cjs"), script);
  // tap hooks itself into child processes of Node through NODE_OPTIONS.
  await writeFile(
    path,
    `#!/bin/sh\nunset NODE_OPTIONS\nexec "${process.execPath}" "${folder}/java.cjs" "$@"\n`,
  );
  await chmod(path, 0o755);
  return path;
}

t.test("score.js prints what the reference code gives, per picture, as JSON and to a file", async (t) => {
  const { folder, files } = await corpus(t);
  const out = join(folder, "scores.json");
  const options = ["--tokenizer", "none", "--json", "--per-image", "--out", out, "--quiet"];
  const { code, stdout, stderr } = await runCommand("score", [...files, ...options]);
  t.equal(code, 0, stderr);
  t.equal(stderr, "");
  const record = JSON.parse(stdout) as Record<string, number> & {
    perImage: Record<string, number | string>[];
  };
  t.equal(await readFile(out, "utf8"), stdout);
  const near = (actual: unknown, expected: number, what: string) =>
    t.ok(Math.abs(Number(actual) - expected) <= 1e-12 * Math.abs(expected), `${what}: ${actual}`);
  for (const n of [1, 2, 3, 4]) near(record[`bleu${n}`], cocoCaption.corpus.bleu[n - 1]!, `bleu${n}`);
  for (const name of ["rougeL", "cider", "ciderD"] as const) {
    near(record[name], cocoCaption.corpus[name], name);
    for (const [i, own] of record.perImage.entries())
      near(own[name], cocoCaption.each[name][i]!, `${name} ${i}`);
  }
  for (const name of ["meteor", "tupleF1", "exact", "objectWords", "distinct1", "distinct2", "length"])
    t.type(record[name], "number", name);
  t.equal(record.tone, null, "no picture has a tone");
  t.equal(record.images, cocoCaption.items.length);
  t.equal(record.perImage[3]!.image_id, "3");
});

t.test(
  "score.js prints tables; new captions need the training captions; unscored pictures are named",
  async (t) => {
    const { folder, files } = await corpus(t);
    const training = join(folder, "training.jsonl");
    await writeFile(training, '{"id": 1, "caption": "A bird."}\n');
    await writeFile(files[0]!, '{"2": "a bird", "3": "the cat"}');
    const { code, stdout, stderr } = await runCommand("score", [
      ...files,
      "--training",
      training,
      "--per-image",
    ]);
    t.equal(code, 0, stderr);
    t.match(
      stderr,
      /careful: 13 pictures of .*references\.json have no caption in .*; the 2 others are scored/,
    );
    t.match(stdout, /^\| BLEU-4 \| 0\.\d{4} \|$/m);
    t.match(stdout, /^\| METEOR \(exact, stem, synonym\) \| 0\.\d{4} \|$/m);
    t.match(stdout, /^\| new captions \| 0\.5000 \|$/m);
    t.match(stdout, /^\| picture \| BLEU-1 \| .*\| tuple F1 \|/m);
    t.notMatch(stdout, /SPICE/, "tuple F1 is not called so");
  },
);

t.test("wrong files and options: one sentence", async (t) => {
  const { folder, files } = await corpus(t);
  const broken = join(folder, "broken.json");
  await writeFile(broken, '[\n{"image_id": 1,\n');
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [[broken, files[1]!], 1, /^error: .*broken\.json, line 3, is not valid JSON/],
    [[files[0]!, join(folder, "none.json")], 1, /^error: Cannot read .*none\.json/],
    [[files[0]!], 2, /missing required argument 'references'/],
    [[...files, "--tokenizer", "spacy"], 2, /Allowed choices are ptb, words, none/],
    [[...files, "--meteor-jar", join(folder, "no.jar")], 2, /^error: --meteor-jar .*there is no such file/],
    [[...files, "--meteor-jar", files[0]!, "--java", join(folder, "no")], 1, /cannot be run; install Java/],
  ];
  for (const [args, expected, message] of cases) {
    const { code, stderr } = await runCommand("score", [...args, "--quiet"]);
    t.equal(code, expected, stderr);
    t.match(stderr, message);
    t.notMatch(stderr, /\n\s+at /, "no stack trace");
  }
});

t.test("METEOR's jar: its protocol, its numbers, its end", async (t) => {
  const { folder, files } = await corpus(t);
  await writeFile(files[0]!, '{"1": "A red ||| bird.", "2": "cat"}');
  await writeFile(files[1]!, '{"1": ["the red bird", "bird"], "2": ["a cat"]}');
  const log = join(folder, "log.txt");
  // Statistics of "cat" against "a cat" for every line.
  const java = await fakeJava(
    folder,
    `const { appendFileSync } = require("node:fs");
     appendFileSync(${JSON.stringify(log)}, process.argv.slice(2).join(" ") + " in " + process.cwd() + "\\n");
     require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
       appendFileSync(${JSON.stringify(log)}, line + "\\n");
       console.log("1 2 0 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1");
     });`,
  );
  const run = (jar: string) =>
    runCommand("score", [...files, "--meteor-jar", jar, "--java", java, "--json", "--per-image", "--quiet"]);
  const { code, stdout, stderr } = await run(files[0]!);
  t.equal(code, 0, stderr);
  const record = JSON.parse(stdout) as {
    meteorJar: number;
    meteor: number;
    perImage: { meteorJar: number }[];
  };
  const lines = (await readFile(log, "utf8")).split("\n");
  t.equal(lines[0], `-jar -Xmx2G ${files[0]} - - -stdio -l en -norm in ${folder}`);
  t.match(lines[1], /^SCORE \|\|\| the red bird \|\|\| bird \|\|\| a red .*bird$/, "the caption comes last");
  t.equal(lines[2], "SCORE ||| a cat ||| cat");
  // P = 1, R = .75/1, F = 1/(.15 + .85/.75), one chunk of one match: 1 - .6.
  const expected = 0.4 / (0.15 + 0.85 / 0.75);
  t.ok(Math.abs(record.perImage[1]!.meteorJar - expected) < 1e-12, `${record.perImage[1]!.meteorJar}`);
  t.ok(Math.abs(record.meteorJar - expected) < 1e-12, "twice the same statistics");

  await fakeJava(folder, 'console.error("Error: Unable to access jarfile"); process.exit(1);');
  const failed = await run(files[0]!);
  t.equal(failed.code, 1);
  t.match(failed.stderr, /^error: METEOR's jar ended early with code 1: Error: Unable to access jarfile/);
  await fakeJava(folder, 'process.stdin.on("data", () => console.log("usage"));');
  t.match((await run(files[0]!)).stderr, /should answer with 23 numbers, it answered: usage/);
});

t.test("SPICE's jar: its files, and the Java that it cannot use", async (t) => {
  const { folder, files } = await corpus(t);
  await writeFile(files[0]!, '{"1": "A red bird.", "2": "cat"}');
  await writeFile(files[1]!, '{"1": ["the red bird", "bird"], "2": ["a cat"]}');
  const script = (version: string) => `
    if (process.argv[2] === "-version") { console.error('openjdk version "${version}"'); process.exit(0); }
    const { readFileSync, writeFileSync } = require("node:fs");
    const given = JSON.parse(readFileSync(process.argv[5], "utf8"));
    if (given[0].test !== "A red bird." || given[0].refs.length !== 2) process.exit(3);
    const out = given.map(({ image_id }) => ({ image_id, scores: { All: { f: image_id === 0 ? 0.5 : null } } }));
    writeFileSync(process.argv[7], JSON.stringify(out));`;
  const java = await fakeJava(folder, script("1.8.0_392"));
  const args = [...files, "--spice-jar", files[0]!, "--java", java, "--json", "--quiet"];
  const { code, stdout, stderr } = await runCommand("score", args);
  t.equal(code, 0, stderr);
  t.equal((JSON.parse(stdout) as { spice: number }).spice, 0.25);
  await fakeJava(folder, script("17.0.2"));
  const newer = await runCommand("score", args);
  t.equal(newer.code, 1);
  t.match(newer.stderr, /^error: SPICE's jar writes .* this is Java 17; name Java 8 with --java/);
});
