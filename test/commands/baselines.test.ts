/** The commands with the baselines' models, and training that starts from other weights. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(600_000);
const root = mkdtempSync(join(tmpdir(), "mcd-baselines-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
await writePictures(pictures);

const tiny = [
  ...sizes,
  ...["data.augment=0", "vqvae.steps=3", "decoder.batch=4", "decoder.captionsPerImage=1", "decoder.steps=4"],
  ...["log.sampleEvery=0", "log.evaluateEvery=0", "log.checkpointEvery=0"],
].flatMap((setting) => ["--set", setting]);
const train = (out: string, ...more: string[]) =>
  runCommand("train", ["--data", pictures, "--out", join(root, out), ...tiny, ...more]);

t.test("a baseline is trained, captions and is scored like any model", async (t) => {
  const set = ["lstm.width=16", "lstm.embedding=12", "lstm.attention=8"].flatMap((one) => ["--set", one]);
  const { code, stderr } = await train("lstm", "--model", "attention-lstm", ...set);
  t.equal(code, 0, stderr);
  const weights = join(root, "lstm/weights");
  const { config } = JSON.parse(readFileSync(join(weights, "config.json"), "utf8"));
  t.same([config.model, config.lstm.attention], ["attention-lstm", 8], "config.json");
  const bound = JSON.parse(readFileSync(join(root, "lstm/bound.json"), "utf8"));
  t.ok(JSON.stringify(bound).includes('"steps":1'), "log p of held-out captions is exact");
  const said = await runCommand("caption", [
    "--weights",
    weights,
    "--json",
    "--beam",
    "2",
    join(pictures, readdirSync(pictures).find((name) => name.endsWith(".png"))!),
  ]);
  t.equal(said.code, 0, said.stderr);
  const line = JSON.parse(said.stdout);
  t.same(
    [line.guidance.beam, line.steps, line.tokens.length],
    [2, config.data.maxLength, config.data.maxLength],
  );
});

t.test("fine-tuning: other captions, the image tokenizer as it was", async (t) => {
  const first = await train("first", "--model", "transformer");
  t.equal(first.code, 0, first.stderr);
  const weights = join(root, "first/weights");
  const rows = readFileSync(join(pictures, "captions.jsonl"), "utf8").trimEnd().split("\n");
  const others = rows.map((row) => JSON.stringify({ ...JSON.parse(row), caption: "an owl" }));
  const elsewhere = join(root, "elsewhere");
  await writePictures(elsewhere);
  writeFileSync(join(elsewhere, "captions.jsonl"), `${others.join("\n")}\n`);
  const init = ["--model", "transformer", "--init", weights, "--stage", "decoder"];
  const second = await runCommand("train", [
    "--data",
    elsewhere,
    "--out",
    join(root, "second"),
    ...tiny,
    ...init,
  ]);
  t.equal(second.code, 0, second.stderr);
  t.match(second.stderr, /init: {4}image tokenizer: (\d+) of \1 tensors taken/, "the whole image tokenizer");
  t.match(
    second.stderr,
    /init: {4}decoder: (\d+) of \1 tensors taken; 2 of 4 words known there/,
    "words by their text",
  );
  t.ok(existsSync(join(root, "second/weights/model.safetensors")), "and weights of its own");

  const anew = await train("anew", ...init, "--new-decoder");
  t.equal(anew.code, 0, anew.stderr);
  t.match(anew.stderr, /init: {4}image tokenizer: (\d+) of \1 tensors taken/, "the image tokenizer alone");
  t.notMatch(anew.stderr, /init: {4}decoder/, "the decoder begins at random");
  const without = await train("without", "--new-decoder");
  t.equal(without.code, 2);
  t.match(without.stderr, /--new-decoder needs --init/);

  const wrong = await train("third", "--stage", "decoder");
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /--stage decoder needs --resume .* or --init/);
  const resumed = await runCommand("train", ["--resume", join(root, "second"), "--init", weights]);
  t.equal(resumed.code, 2);
  t.match(resumed.stderr, /--init cannot be given with --resume/);
  const nowhere = await train("fourth", "--init", join(root, "nowhere"));
  t.equal(nowhere.code, 1);
  t.match(nowhere.stderr, /nowhere holds no captioner/);
  t.notOk(existsSync(join(root, "fourth")), "nothing is left behind");
  const model = await train("fifth", "--model", "lstn");
  t.equal(model.code, 2);
  t.match(model.stderr, /--model .*mc-diffusion, transformer, lstm, attention-lstm/);
});
