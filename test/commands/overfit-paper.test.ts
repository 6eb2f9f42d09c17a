/** The command of the run at the paper's size, with a small network: resumes to the bit, samples, goes on, and says how it ended. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(600_000);

const script = fileURLToPath(new URL("../support/overfit-paper.js", import.meta.url));
const small = [
  ...["data.imageSize=64", "decoder.dim=16", "decoder.blocks=1", "decoder.heads=2"],
  ...["decoder.timesteps=8", "sampling.steps=2"],
].flatMap((setting) => ["--set", setting]);

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

t.test("a run of a few steps", async (t) => {
  const out = join(t.testdir(), "overfit");
  const args = ["--out", out, "--every", "6", ...small];
  const first = await run(...args, "--steps", "6");
  t.equal(first.code, 1, first.stderr);
  t.match(first.stdout, /resumed at step 2, the checkpoint of step 4 has the same bytes/);
  t.match(first.stdout, /step 6: \d of 8 captions are right/);
  t.match(first.stderr, /not all captions are right after 6 steps; see .*result\.json/);
  const again = await run(...args, "--steps", "8");
  t.equal(again.code, 1, again.stderr);
  t.notMatch(again.stdout, /the same bytes/, "goes on where it stopped");
  const { resumed, legs } = JSON.parse(readFileSync(join(out, "result.json"), "utf8"));
  t.match(resumed, { step: 4, equal: ["model.safetensors", "optimizer.safetensors"] });
  t.same(
    legs.map(({ step }: { step: number }) => step),
    [6, 8],
  );
  t.equal(legs[1].captions.length, 8);
  const log = readFileSync(join(out, "run/log.jsonl"), "utf8").trim().split("\n");
  t.equal(log.length, 8, "every step once");
});
