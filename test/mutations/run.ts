/** `npm run mutations`: plants deliberate mistakes, one at a time, and reports those that no test notices. */

import { availableParallelism } from "node:os";
import { commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { withProgress } from "../../dist/cli/progress.js";
import { UserError } from "../../dist/platform/errors.js";
import { fields } from "./list.js";
import { type Field, type Mutation, parseTest, problemsOf, repeatedNames } from "./mutation.js";
import { refusedMutations } from "./refused.js";
import { copyProject, type Result, removeProject, runTest, tryMutation } from "./trial.js";

interface Options {
  only: string[];
  list?: boolean;
  jobs: number;
  check: boolean;
  quiet?: boolean;
}

/** Seconds that a test may take where nothing is known of it. */
const LONGEST = 900;

interface Chosen {
  field: string;
  mutation: Mutation;
}

function choose(only: readonly string[]): Chosen[] {
  const all = fields.flatMap(({ name: field, mutations }: Field) =>
    mutations.map((mutation) => ({ field, mutation })),
  );
  if (only.length === 0) return all;
  const chosen = all.filter(({ field, mutation }) => {
    const texts = [field, mutation.name, ...[mutation.file].flat(), ...mutation.tests];
    return only.some((part) => texts.some((text) => text.includes(part)));
  });
  if (chosen.length === 0) throw new UserError(`--only: no mistake has "${only.join('" or "')}" in it`, 2);
  return chosen;
}

function checkLists(chosen: readonly Chosen[]): void {
  const problems = chosen.flatMap(({ mutation }) =>
    problemsOf(mutation).map((problem) => `"${mutation.name}" ${problem}`),
  );
  const repeated = repeatedNames(fields.flatMap(({ mutations }) => mutations));
  problems.push(...repeated.map((name) => `"${name}" is there twice`));
  if (problems.length > 0)
    throw new UserError(`the lists do not fit the sources:\n  ${problems.join("\n  ")}`);
}

/**
 * Runs each test once without a mistake. Returns the seconds that each may take with one. Tests of one file run one after
 * the other: they share the file's folder of fixtures.
 */
async function measureTests(
  template: string,
  chosen: readonly Chosen[],
  jobs: number,
  quiet?: boolean,
): Promise<Map<string, number>> {
  const tests = [...new Set(chosen.flatMap(({ mutation }) => mutation.tests))];
  const files = new Map<string, string[]>();
  for (const test of tests) {
    const { script } = parseTest(test);
    files.set(script, [...(files.get(script) ?? []), test]);
  }
  const limits = new Map<string, number>();
  const red: string[] = [];
  const options = { label: "tests without a mistake", total: tests.length, unit: "files", quiet };
  await withProgress(options, (progress) =>
    parallel([...files.values()], jobs, async (testsOfFile) => {
      for (const test of testsOfFile) {
        const { failure, hung, passed, seconds } = await runTest(template, test, LONGEST);
        if (hung) red.push(`${test}: still running after ${LONGEST} s`);
        else if (failure !== null) red.push(`${test}: ${failure}`);
        else if (passed === 0) red.push(`${test}: no test has that name`);
        limits.set(test, 60 + 4 * seconds);
        progress.update(limits.size, test);
      }
    }),
  );
  if (red.length > 0)
    throw new UserError(`tests are red without a mistake, so they tell nothing:\n  ${red.join("\n  ")}`);
  return limits;
}

async function tryAll(
  template: string,
  chosen: readonly Chosen[],
  limits: ReadonlyMap<string, number>,
  jobs: number,
  quiet?: boolean,
): Promise<Result[]> {
  const results: Result[] = [];
  let done = 0;
  const options = { label: "mistakes", total: chosen.length, unit: "mistakes", quiet };
  await withProgress(options, (progress) =>
    parallel(chosen, jobs, async ({ mutation }, index) => {
      const result = await tryMutation(mutation, template, (test) => limits.get(test) ?? LONGEST);
      results[index] = result;
      progress.update(++done, mutation.name);
      progress.log(`${mutation.name}: ${describe(result)}`);
    }),
  );
  return results;
}

const isProblem = ({ kind }: Result) => kind === "survived" || kind === "does not compile";

function describe(result: Result): string {
  if (result.kind === "survived") return "SURVIVED";
  if (result.kind === "does not compile") return `DOES NOT COMPILE: ${result.by}`;
  return `${result.test}: ${result.by}`;
}

/** Prints a Markdown table of all results and the totals; sets the exit code. */
function report(chosen: readonly Chosen[], results: readonly Result[]): void {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  console.log("| field | mistake | noticed by | seconds |\n| --- | --- | --- | --- |");
  chosen.forEach(({ field, mutation }, index) => {
    const result = results[index]!;
    const seconds = result.seconds.toFixed(0);
    console.log(`| ${field} | ${cell(mutation.name)} | ${cell(describe(result))} | ${seconds} |`);
  });
  const count = (kind: Result["kind"]) => results.filter((result) => result.kind === kind).length;
  const [killed, hung, survived] = [count("killed"), count("hung"), count("survived")];
  const invalid = count("does not compile");
  console.log(
    `\n${results.length} mistakes: ${killed} turned an assertion red, ${hung} ran past a limit, ${survived} survived, ${invalid} do not compile`,
  );
  if (results.some(isProblem)) process.exitCode = 1;
}

/** Calls `work` for each item, `jobs` at a time, in their order. */
async function parallel<T>(
  items: readonly T[],
  jobs: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, items.length) }, worker));
}

await runCommand(async () => {
  const program = commandLine(
    "npm run mutations --",
    "Plants deliberate mistakes, each in a copy of the project, runs the tests named for it and reports those that survive. Exit code 1 if one does.",
  )
    .option(
      "--only <part>",
      "only mistakes whose field, name, file or test has this in it; may be repeated",
      (part: string, parts: string[]) => [...parts, part],
      [],
    )
    .option("--list", "list them, and check that each still applies, without trying them")
    .option("--jobs <number>", "tried at the same time", integerOption(1, 64), availableParallelism())
    .option(
      "--no-check",
      "do not compile first, nor run the tests without a mistake: both are known to be well",
    )
    .option("--quiet", "print no progress");
  const { only, list, jobs, check, quiet } = program.parse().opts<Options>();
  const chosen = choose(only);
  checkLists(chosen);
  if (list) {
    for (const { field, mutation } of chosen) console.log(`${field}: ${mutation.name} (${mutation.file})`);
    console.log(`${chosen.length} mistakes, each applies`);
    return;
  }
  const template = copyProject();
  try {
    const refused = check ? await refusedMutations(chosen.map(({ mutation }) => mutation)) : new Map();
    if (refused.size > 0) {
      const lines = [...refused].map(([{ name }, why]) => `"${name}": ${why}`);
      throw new UserError(`these do not compile, so they would tell nothing:\n  ${lines.join("\n  ")}`);
    }
    const limits = check ? await measureTests(template, chosen, jobs, quiet) : new Map<string, number>();
    const results = await tryAll(template, chosen, limits, jobs, quiet);
    report(chosen, results);
  } finally {
    removeProject(template);
  }
});
