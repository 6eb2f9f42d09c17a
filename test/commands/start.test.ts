/** `npm start`: shipped captions, a training in a given time, captions of both side by side. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { runCommand, runInTime } from "./run.js";

t.setTimeout(900_000);

const root = mkdtempSync(join(tmpdir(), "mcd-start-"));
t.teardown(() => rmSync(root, { recursive: true }));

t.test("the whole job", async (t) => {
  const run = join(root, "run");
  const { code, stdout, stderr } = await runInTime("start", ["--out", run], 0.7);
  t.equal(code, 0, stderr);
  const [before, , after] = stdout.split(/^\d\. /m).slice(1);
  const pictures = readdirSync(join(run, "held-out")).map((name) => join(run, "held-out", name));
  t.equal(pictures.length, 6);
  for (const picture of pictures) {
    t.ok(before?.includes(`${picture}\n      caption:   `), "the shipped model's caption");
    t.ok(after?.includes(`${picture}\n      shipped model: `), "both captions");
  }
  const references = (text = "") =>
    [...text.matchAll(/reference: +(.*)$/gm)].map(([, reference]) => reference);
  t.equal(references(before).length, 6);
  t.same(references(after), references(before), "of the same pictures");
  const said = (text = "", who: string) =>
    [...text.matchAll(new RegExp(`${who}: +(.*)$`, "gm"))].map(([, it]) => it);
  t.same(said(after, "shipped model"), said(before, "caption"), "the shipped model says the same");
  t.ok(
    said(before, "caption").some((caption) => caption!.includes("(right: one of its ")),
    stdout,
  );
  t.equal(said(after, "trained now").length, 6);
  t.notSame(
    said(after, "trained now"),
    said(after, "shipped model"),
    "a model of a minute says other things",
  );
  t.ok(existsSync(join(run, "report.html")));
  t.match(stdout, /^4\. Go on with:$/m);
  for (const [, path] of stdout.slice(stdout.indexOf("4. ")).matchAll(/(\S+\.(?:html|js|png)|\S+\/weights)/g))
    t.ok(existsSync(path!), `${path} is there`);
});

t.test("a folder that holds a run is refused before anything is done", async (t) => {
  const { code, stderr, stdout } = await runCommand("start", ["--out", join(root, "run")]);
  t.equal(code, 1);
  t.match(stderr, /already holds a run/);
  t.equal(stdout, "");
});
