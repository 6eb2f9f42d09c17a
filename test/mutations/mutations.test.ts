/** The lists of deliberate mistakes fit the sources, and what tries them tells all outcomes apart (`npm run mutations`). */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";
import { fields } from "./list.js";
import { type Mutation, problemsOf, repeatedNames, root } from "./mutation.js";
import { refusedMutations } from "./refused.js";
import { tryMutation } from "./trial.js";

t.setTimeout(1_200_000);

const all = fields.flatMap(({ mutations }) => mutations);

t.test("every mistake applies, and is there once", async (t) => {
  const problems = all.flatMap((mutation) => problemsOf(mutation).map((what) => `${mutation.name}: ${what}`));
  t.same(problems, [], "each text occurs once in its file, each test exists");
  t.same(repeatedNames(all), [], "no name twice");
  t.ok(all.length >= 90, `${all.length} mistakes, at least 90`);
});

const words = {
  file: "src/text/words.ts",
  find: "if (id === this.endId) break;",
  tests: ["text/words.test.ts # encoding, END as padding"],
};
const notTypescript: Mutation = {
  ...words,
  name: "a type error",
  replace: 'if (id === this.endId) return "END" * 2;',
};

t.test("every mistake compiles, and one that does not is found", async (t) => {
  const named = async (mutations: readonly Mutation[]) =>
    [...(await refusedMutations(mutations))].map(([{ name }, why]) => `${name}: ${why}`);
  t.same(await named(all), [], "none of the lists is refused");
  const found = await named([{ ...words, name: "fine", replace: "if (id < 0) break;" }, notTypescript]);
  t.equal(found.length, 1, "of two, the one with the type error");
  t.match(found[0], /^a type error: src\/text\/words\.ts\(\d+,\d+\): error TS\d+/);
});

t.test("outcomes: killed, survived, hung, not WGSL", async (t) => {
  const outcome = (mutation: Mutation, limit = 600) => tryMutation(mutation, root, () => limit);
  const killed = await outcome({ ...words, name: "END is a word", replace: "if (id < 0) break;" });
  t.match(killed, { kind: "killed", test: words.tests[0] });
  t.match(await outcome({ ...words, name: "none", replace: "if (this.endId === id) break;" }), {
    kind: "survived",
  });
  const endless = { ...words, name: "endless", replace: "if (id === this.endId) for (;;);" };
  t.match(await outcome(endless, 10), { kind: "hung", test: words.tests[0] });
  const elsewhere = { ...words, tests: ["text/words.test.ts # bad ones are named"] };
  t.match(
    await outcome({ ...elsewhere, name: "unseen", replace: "if (id < 0) break;" }),
    { kind: "survived" },
    "only the named part of a test runs",
  );
  t.match(
    await outcome({
      name: "an unknown name",
      file: "shaders/softmax/softmax.wgsl",
      find: "exponential(value);",
      replace: "exponential(valu);",
      tests: ["engine/ops/softmax.test.ts"],
    }),
    { kind: "does not compile" },
  );
});

t.test("the command lists them, and refuses a part that none has", async (t) => {
  const script = fileURLToPath(new URL("run.js", import.meta.url));
  const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  const listed = run("--list", "--only", "kl: ");
  t.equal(listed.status, 0, listed.stderr);
  t.match(listed.stdout, /^shaders: kl: .*\n(.*\n)*\d+ mistakes, each applies\n$/);
  const none = run("--only", "no such mistake");
  t.equal(none.status, 2);
  t.match(none.stderr, /no mistake has "no such mistake" in it/);
});
