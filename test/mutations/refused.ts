/** Which mutations the compiler refuses: they prove nothing of the tests. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesOf, type Mutation } from "./mutation.js";
import { apply, copyProject, firstLine, node, removeProject } from "./trial.js";

/**
 * The mutations that the TypeScript compiler or the generator of kernels refuses, each with the first complaint. As many as do not
 * touch the same text are compiled together; where something is wrong, they are in two parts.
 */
export async function refusedMutations(mutations: readonly Mutation[]): Promise<Map<Mutation, string>> {
  const folder = copyProject();
  try {
    const sources = new Map(
      [...new Set(mutations.flatMap(filesOf))].map((file) => [
        file,
        readFileSync(join(folder, file), "utf8"),
      ]),
    );
    return await refusedIn(folder, sources, mutations);
  } finally {
    removeProject(folder);
  }
}

/** `folder` is a copy of the project that is compiled again and again; `sources` are the files as they are without a mutation. */
async function refusedIn(
  folder: string,
  sources: ReadonlyMap<string, string>,
  mutations: readonly Mutation[],
): Promise<Map<Mutation, string>> {
  const refused = new Map<Mutation, string>();
  let waiting = mutations;
  while (waiting.length > 0) {
    for (const [file, text] of sources) writeFileSync(join(folder, file), text);
    const together = waiting.filter((mutation) => fits(mutation, folder) && apply(mutation, folder));
    const complaints = await typeCheck(folder);
    if (complaints !== null && together.length === 1) refused.set(together[0]!, firstLine(complaints));
    else if (complaints !== null) {
      for (const part of apart(together, complaints)) {
        for (const [mutation, why] of await refusedIn(folder, sources, part)) refused.set(mutation, why);
      }
    }
    waiting = waiting.filter((mutation) => !together.includes(mutation));
  }
  return refused;
}

/**
 * Parts of a list that is refused: the mutations of files without a complaint, and two halves of the others, with half of each
 * file's in either; or two halves, where that separates nothing.
 */
function apart(mutations: readonly Mutation[], complaints: string): (readonly Mutation[])[] {
  const named = mutations.filter((mutation) => filesOf(mutation).some((file) => complaints.includes(file)));
  const others = mutations.filter((mutation) => !named.includes(mutation));
  const seen = new Map<string, number>();
  const halves: [Mutation[], Mutation[]] = [[], []];
  for (const mutation of named) {
    const [file] = filesOf(mutation) as [string];
    const place = seen.get(file) ?? 0;
    seen.set(file, place + 1);
    halves[place % 2]!.push(mutation);
  }
  const parts = [others, ...halves].filter((part) => part.length > 0);
  if (parts.length > 1) return parts;
  const half = Math.ceil(mutations.length / 2);
  return [mutations.slice(0, half), mutations.slice(half)];
}

function fits(mutation: Mutation, folder: string): boolean {
  return filesOf(mutation).every(
    (file) => readFileSync(join(folder, file), "utf8").split(mutation.find).length === 2,
  );
}

/** The compiler's complaints about the sources below `folder`; null if there are none. */
async function typeCheck(folder: string): Promise<string | null> {
  const compiler = "node_modules/@typescript/native/bin/tsc";
  // A mistake often leaves a name without a use, which is no error here.
  const lenient = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"];
  const commands = [
    ["shaders/generate.mjs"],
    ["shaders/generate-tuning.mjs"],
    [compiler, "-p", "tsconfig.json", ...lenient],
    [compiler, "-p", "web/tsconfig.json", ...lenient],
  ];
  for (const command of commands) {
    const { code, output } = await node(folder, command, {}, 900);
    if (code !== 0) return output;
  }
  return null;
}
