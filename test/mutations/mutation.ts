/** What one entry of the lists in this folder is, and whether it fits the sources as they stand. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** A deliberate mistake, as a patch, and the tests that must turn red on it. */
export interface Mutation {
  /** Says the mistake in a few words, unique among all lists: "kl: the auxiliary term has the wrong sign". */
  name: string;
  /** The source, from the project's folder. Several where each holds the text: a region that shaders share. */
  file: string | readonly string[];
  /** Text that occurs exactly once in each file. Short, so that it still applies after other changes. */
  find: string;
  /** What replaces it. The result must compile: what the compiler finds needs no test. */
  replace: string;
  /**
   * Test files from `test/`, cheapest first, tried until one turns red. "diffusion/loss.test.ts # padding" runs only the tests
   * of that file whose name has "padding" in it.
   */
  tests: readonly string[];
}

export interface Field {
  name: string;
  mutations: readonly Mutation[];
}

export function filesOf({ file }: Mutation): readonly string[] {
  return typeof file === "string" ? [file] : file;
}

/** "diffusion/loss.test.ts # padding" as the compiled file, from the project's folder, and the part of a test's name. */
export function parseTest(test: string): { script: string; part: string | null } {
  const [file = "", part = null] = test.split(" # ");
  return { script: `dist-test/${file.replace(/\.ts$/, ".js")}`, part };
}

/** What keeps a mutation from being tried on the sources below `folder`: nothing, or one sentence each. */
export function problemsOf(mutation: Mutation, folder = root): string[] {
  const problems: string[] = [];
  for (const file of filesOf(mutation)) {
    if (!existsSync(join(folder, file))) {
      problems.push(`${file} does not exist`);
      continue;
    }
    const times = readFileSync(join(folder, file), "utf8").split(mutation.find).length - 1;
    if (times !== 1) problems.push(`its text occurs ${times} times in ${file}, and should occur once`);
  }
  if (mutation.find === mutation.replace) problems.push("it changes nothing");
  if (mutation.tests.length === 0) problems.push("it names no test");
  for (const test of mutation.tests) {
    const source = join(folder, "test", test.split(" # ")[0]!);
    if (!/\.test\.ts( # .+)?$/.test(test) || !existsSync(source))
      problems.push(`test/${test} does not exist`);
  }
  return problems;
}

/** Names that more than one mutation has. */
export function repeatedNames(mutations: readonly Mutation[]): string[] {
  const seen = new Set<string>();
  return mutations.map(({ name }) => name).filter((name) => seen.size === seen.add(name).size);
}
