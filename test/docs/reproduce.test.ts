/** docs/reproduce.md: its commands run as they stand, on drawn birds and small networks with the names and forms of the downloads. */

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import t from "tap";
import { runCommand } from "../commands/run.js";
import { smallMerges } from "../models/clip/merges.js";
import { writeCub } from "../support/data-sets.js";

t.setTimeout(900_000);

const project = fileURLToPath(new URL("../../", import.meta.url));
const vectors = (...names: string[]) => join(project, "test", "vectors", ...names);

const page = readFileSync(join(project, "docs", "reproduce.md"), "utf8");
const commands = [...page.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => block!.trim().split("\n"))
  .map((line) => line.split(/\s+#/)[0]!.trim().split(/\s+/));

/** Settings that make the paper's sizes small. */
const small: Record<string, readonly string[]> = {
  train: [
    ...["data.imageSize=32", "data.maxLength=24", "data.validation=0.2"],
    ...["decoder.dim=128", "decoder.blocks=1", "decoder.heads=2", "decoder.timesteps=10", "decoder.steps=3"],
    ...["decoder.batch=4", "decoder.microBatches=2", "decoder.warmup=1", "sampling.steps=2", "log.scored=4"],
  ].flatMap((setting) => ["--set", setting]),
  evaluate: [...["--limit", "4", "--seeds", "1", "--draws", "20", "--no-baselines", "--steps", "2"]],
  sweep: [...["--limit", "4", "--seeds", "1", "--draws", "20", "--steps", "2"]],
};

t.test("each command runs", async (t) => {
  t.ok(commands.length >= 9, `${commands.length} commands`);
  const folder = t.testdir();
  await writeCub(join(folder, "CUB"), 4);
  const unpack = (from: string, to: string) =>
    writeFileSync(join(folder, to), gunzipSync(readFileSync(from)));
  unpack(vectors("vqgan-gumbel", "checkpoint.ckpt.gz"), "last.ckpt");
  copyFileSync(vectors("vqgan-gumbel", "config.yaml"), join(folder, "model.yaml"));
  copyFileSync(
    vectors("vqgan-gumbel", "code-map.pt"),
    join(folder, "taming_f8_8192_openimages_statistics.pt"),
  );
  unpack(vectors("clip", "openai.pt.gz"), "ViT-B-32.pt");
  writeFileSync(join(folder, "bpe_simple_vocab_16e6.txt.gz"), gzipSync(smallMerges()));
  for (const [node, script, ...args] of commands) {
    t.equal(node, "node");
    const command = /^dist\/(\w+)\.js$/.exec(script!)![1]!;
    const settings = args.includes("--sweep") ? small.sweep! : (small[command] ?? []);
    // The bound is of one model; a table of several has none, and a sweep has CLIP's score in its place.
    const bound = command === "evaluate" && !/--metrics|--sweep/.test(args.join(" ")) ? ["--bound", "1"] : [];
    const { code, stdout, stderr } = await runCommand(
      command,
      // A smaller grid.
      [...args.flatMap((arg) => (arg === "--sweep" ? [arg, "quick"] : [arg])), ...settings, ...bound],
      {
        cwd: folder,
        env: { XDG_CACHE_HOME: join(folder, "cache") },
      },
    );
    t.equal(code, 0, `${command} ${args.join(" ")}\n${stderr}`);
    if (command === "evaluate") t.match(stdout, /CLIPScore/, "with CLIPScore");
    if (args.includes("--plan")) t.match(stdout, /chosen: decoder\.microBatches=/);
  }
});
