/** Drives the official Java programs of METEOR and SPICE, where a user has Java and the jars. */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { METEOR_SUMS, meteorOf, summand } from "../metrics/meteor/statistics.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform } from "../platform/node.js";
import { shown } from "../platform/shown.js";

/** A corpus's score and each caption's. */
export interface JarScores {
  readonly score: number;
  readonly each: Float64Array;
}

export interface JarOptions {
  /** The program to run; default: `java`. */
  readonly java?: string | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The last newest version of Java whose JavaScript engine SPICE can write its results with. */
const LAST_WITH_SCRIPTS = 14;

async function checkJar(option: string, jar: string): Promise<void> {
  if (!(await nodePlatform.files.exists(jar)))
    throw new UserError(`${option} ${shown(jar)}: there is no such file`, 2);
}

const noJava = (java: string) =>
  new UserError(`"${shown(java)}" cannot be run; install Java or name its program with --java`);

/** The end of what a program wrote to standard error, for a message. */
const complaint = (text: string) => shown(text.trim().split("\n").slice(-3).join(" ") || "it said nothing");

/** Runs Java to its end. Throws a `UserError` unless it succeeds. Returns both outputs. */
async function runJava(java: string, args: readonly string[], what: string, cwd?: string): Promise<string> {
  const child = spawn(java, args, { stdio: ["ignore", "pipe", "pipe"], cwd });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.on("error", () => fail(noJava(java)));
    child.on("close", done);
  });
  if (code !== 0) throw new UserError(`${what} failed with code ${code}: ${complaint(output)}`);
  return output;
}

/**
 * METEOR 1.5 by the official jar with all modules, paraphrases included (`-l en -norm`): the corpus's score and each caption's.
 * Captions are tokenized already. Scores are computed here from the program's statistics, which are the same for every release.
 */
export async function meteorByJar(
  jar: string,
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  { java = "java", onProgress }: JarOptions = {},
): Promise<JarScores> {
  await checkJar("--meteor-jar", jar);
  const args = ["-jar", "-Xmx2G", resolve(jar), "-", "-", "-stdio", "-l", "en", "-norm"];
  const child = spawn(java, args, { stdio: ["pipe", "pipe", "pipe"], cwd: dirname(resolve(jar)) });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const failed = new Promise<never>((_, fail) => {
    child.on("error", () => fail(noJava(java)));
    child.on("close", (code) =>
      fail(new UserError(`METEOR's jar ended early with code ${code}: ${complaint(errors)}`)),
    );
  });
  failed.catch(() => {});
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const each = new Float64Array(candidates.length);
  const sums = new Float64Array(METEOR_SUMS);
  try {
    for (const [i, candidate] of candidates.entries()) {
      const texts = [...references[i]!, candidate].map((text) =>
        text.replaceAll("|||", "").replace(/\s+/g, " ").trim(),
      );
      child.stdin.write(`SCORE ||| ${texts.join(" ||| ")}\n`);
      const { value, done } = await Promise.race([lines.next(), failed]);
      if (done) await failed;
      const row = Float64Array.from(String(value).trim().split(/\s+/), Number);
      if (row.length !== METEOR_SUMS || row.some(Number.isNaN))
        throw new UserError(
          `METEOR's jar should answer with ${METEOR_SUMS} numbers, it answered: ${shown(String(value))}`,
        );
      each[i] = meteorOf(row);
      for (const [place, value] of summand(row).entries()) sums[place]! += value;
      onProgress?.(i + 1, candidates.length);
    }
  } finally {
    child.stdin.end();
    child.kill();
  }
  return { score: meteorOf(sums), each };
}

/** SPICE by the official jar, of captions as they are: the mean over the pictures and each one's F1, in 0 … 1. */
export async function spiceByJar(
  jar: string,
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  { java = "java" }: JarOptions = {},
): Promise<JarScores> {
  await checkJar("--spice-jar", jar);
  const version = await runJava(java, ["-version"], `${java} -version`);
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  const major = first === "1" ? Number(second) : Number(first);
  if (major > LAST_WITH_SCRIPTS)
    throw new UserError(
      `SPICE's jar writes its results with the JavaScript engine that Java lost after version ${LAST_WITH_SCRIPTS}, and this is Java ${major}; name Java 8 with --java`,
    );
  const folder = await mkdtemp(join(tmpdir(), "spice-"));
  try {
    const [input, output] = [join(folder, "in.json"), join(folder, "out.json")];
    await writeFile(
      input,
      JSON.stringify(candidates.map((test, image_id) => ({ image_id, test, refs: references[image_id]! }))),
    );
    const args = ["-jar", "-Xmx8G", resolve(jar), input, "-out", output, "-subset", "-silent"];
    await runJava(java, args, "SPICE's jar", dirname(resolve(jar)));
    const results = JSON.parse(await readFile(output, "utf8")) as {
      image_id: number;
      scores: { All: { f: number | null } };
    }[];
    const each = new Float64Array(candidates.length).fill(Number.NaN);
    for (const { image_id, scores } of results) each[Number(image_id)] = scores.All.f ?? 0;
    if (each.some(Number.isNaN)) throw new UserError("SPICE's jar left out some pictures");
    return { score: each.reduce((sum, value) => sum + value, 0) / each.length, each };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
