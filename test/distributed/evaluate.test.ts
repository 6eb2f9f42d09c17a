/** evaluate.js under mpirun: the files of one process, ranks that do not fit together, a rank that fails. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { openNodeGpu } from "../../dist/node.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { writePictures } from "../commands/pictures.js";
import { runCommand } from "../commands/run.js";
import { build, saved } from "../tiny-captioner.js";
import { whole } from "../whole.js";
import { type Launcher, launch, launchers } from "./launch.js";

t.setTimeout(900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-scores-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));
const [pictures, weights, grid] = ["pictures", "weights", "grid.json"].map((name) => join(root, name)) as [
  string,
  string,
  string,
];

const scores = (out: string, ...more: string[]) => [
  "dist/evaluate.js",
  ...["--weights", weights, "--data", pictures, "--splits", "validation", "--seeds", "3", "--draws", "50"],
  ...["--steps", "3", "--bound", "2", "--compare", "none,cfg:2", "--captions", "--json", out, ...more],
];
const sweep = (out: string) => [
  "dist/evaluate.js",
  ...["--weights", weights, "--data", pictures, "--sweep", grid, "--steps", "3", "--seeds", "3"],
  ...["--draws", "50", "--out", out],
];

/** A process of its own. */
async function alone([command, ...args]: readonly string[]) {
  const name = /(\w+)\.js$/.exec(command!)![1]!;
  const { code, stdout: output, stderr: errors } = await runCommand(name, args);
  return { code, output, errors };
}

interface Written {
  command?: string;
  speed?: unknown;
}

/** A file of results without its command and speed. */
function resultsOf(path: string): unknown {
  const { command: _, speed: __, ...results } = JSON.parse(readFileSync(path, "utf8")) as Written;
  return results;
}

const linesOf = (folder: string) =>
  readFileSync(join(folder, "captions.jsonl"), "utf8").trimEnd().split("\n").sort();

t.before(async () => {
  await writePictures(pictures);
  writeFileSync(
    grid,
    JSON.stringify({
      curves: [
        { method: "none", temperature: [0.5, 1] },
        { method: "mcs", scale: [2], maskRate: 0.5 },
      ],
    }),
  );
  const gpu = await openNodeGpu();
  const captioner = build(gpu);
  await captioner.save(nodePlatform.files, weights, await saved(captioner));
  captioner.dispose();
  gpu.dispose();
});

function tests(launcher: Launcher): void {
  const of = (name: string) => join(root, `${launcher.name}-${name}`.replaceAll(" ", "-"));

  t.test(`${launcher.name}: two ranks write the scores of one`, async (t) => {
    const [one, two] = [of("one.json"), of("two.json")];
    const single = await alone(scores(one));
    t.equal(single.code, 0, single.errors);
    const { code, output, errors } = await launch(launcher, 2, scores(two)).ended;
    t.equal(code, 0, errors);
    t.match(errors, /^ranks: {3}2 processes/m);
    t.same(resultsOf(two), resultsOf(one), "scores, captions and bounds, to the bit");
    const tables = (text: string) => text.split("\n").filter((line) => line.startsWith("|"));
    t.same(tables(output), tables(single.output), "and prints them once");
  });

  t.test(`${launcher.name}: two ranks sweep as one`, async (t) => {
    const [one, two] = [of("one"), of("two")];
    const single = await alone(sweep(one));
    t.equal(single.code, 0, single.errors);
    const { code, errors } = await launch(launcher, 2, sweep(two)).ended;
    t.equal(code, 0, errors);
    t.same(linesOf(two), linesOf(one), "the same captions, pushes and scores");
    t.same(resultsOf(join(two, "sweep.json")), resultsOf(join(one, "sweep.json")), "and the same choice");
    t.ok(existsSync(join(two, "figure.svg")), "rank 0 drew the figures");
  });

  t.test(`${launcher.name}: a table of two models`, async (t) => {
    const [one, two] = [of("table-one.json"), of("table-two.json")];
    const table = (out: string) =>
      [...scores(out, "--metrics", "exact,ciderD")].filter(
        (word, i, all) => word !== "--bound" && all[i - 1] !== "--bound",
      );
    const single = await alone(table(one));
    t.equal(single.code, 0, single.errors);
    const first = await launch(launcher, 2, table(two)).ended;
    t.equal(first.code, 0, first.errors);
    t.same(resultsOf(two), resultsOf(one), "the table of one process");
    const again = await launch(launcher, 2, table(two)).ended;
    t.equal(again.code, 0, again.errors);
    t.match(again.errors, /captions of .*: found in/, "kept captions are found on all ranks");
    t.same(resultsOf(two), resultsOf(one));
  });
}

for (const launcher of whole ? launchers : launchers.slice(0, 1)) tests(launcher);

const [launcher] = launchers;
if (launcher) {
  /** evaluate.js where rank 1 first runs `code`. */
  const withRank1 = (code: string, args: readonly string[]) => [
    "--input-type=module",
    "-e",
    `if (process.env.OMPI_COMM_WORLD_RANK === "1" || process.env.PMI_RANK === "1") { ${code} }
      await import(${JSON.stringify(new URL("../../dist/evaluate.js", import.meta.url).href)});`,
    "--",
    ...args.slice(1),
  ];

  t.test("ranks with other settings are refused", async (t) => {
    const out = join(root, "refused.json");
    const args = withRank1('process.argv.push("--temperature", "0.5");', scores(out));
    const { code, errors } = await launch(launcher, 2, args).ended;
    t.not(code, 0);
    t.match(
      errors,
      /rank 1: error: this process does not score the same as rank 0: sampling\.temperature is 0\.5 here and missing there/,
    );
    t.notOk(existsSync(out));
  });

  t.test("a rank that fails ends the job with its sentence", async (t) => {
    const out = join(root, "failed.json");
    const url = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
    const args = withRank1(
      `const { Captioner } = await import(${url("captioner/captioner.js")});
      const { UserError } = await import(${url("platform/errors.js")});
      Captioner.prototype.captionCodes = async () => { throw new UserError("no memory here"); };`,
      scores(out, "--sampler", "confidence"),
    );
    const { code, errors } = await launch(launcher, 2, args).ended;
    t.not(code, 0);
    t.match(errors, /rank 1: error: no memory here/);
    t.equal(errors.match(/error: /g)?.length, 1, "one sentence");
    t.notOk(existsSync(out));
  });

  t.test("mistakes are told once", async (t) => {
    const { code, errors } = await launch(launcher, 2, scores(join(root, "no.json"), "--splits", "tset"))
      .ended;
    t.not(code, 0);
    t.equal(errors.match(/error: /g)?.length, 1, errors);
    t.match(errors, /has no split "tset"/);
  });
}
