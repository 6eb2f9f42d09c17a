/** Training and captioning on CLIP's tokens and frozen table, by the commands. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { decodeSafetensors, encodeSafetensors } from "../../dist/engine/weights/safetensors.js";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { mergesFor } from "../merges.js";
import { randomArray } from "../random-array.js";
import { writePictures } from "./pictures.js";
import { ownLines, runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "mcd-clip-"));
t.teardown(() => rmSync(root, { recursive: true }));
const pictures = join(root, "pictures");
await writePictures(pictures);
// "circle" is one token, "square" two: s, quare</w>.
const merges = [...mergesFor(["a", "red", "green", "blue", "circle", "quare"])];
const { size } = new ClipBpe(merges);
writeFileSync(join(root, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`);
const dim = 16;
const table = Float32Array.from(randomArray(4, size * dim, 0.01));
const clip = (name: string, shape: number[]) =>
  encodeSafetensors(new Map([[name, { dtype: "F32", shape, data: table.slice(0, shape[0]! * shape[1]!) }]]));
writeFileSync(
  join(root, "clip.safetensors"),
  clip("text_model.embeddings.token_embedding.weight", [size, dim]),
);
writeFileSync(join(root, "small.safetensors"), clip("token_embedding.weight", [500, dim]));
writeFileSync(join(root, "other.safetensors"), clip("weight", [500, dim]));

const settings = [
  ...sizes,
  "data.maxLength=14",
  "data.augment=0",
  "data.tokenizer=clip",
  "vqvae.steps=4",
  "decoder.steps=6",
  "decoder.batch=4",
  "decoder.warmup=2",
  "sampling.steps=4",
  "decoder.tokenEmbedding=clip",
  "log.every=1",
  "log.sampleEvery=0",
  "log.evaluateEvery=0",
];
const train = (out: string, ...set: string[]) =>
  runCommand("train", [
    ...["--data", pictures, "--out", join(root, out), "--seed", "3"],
    ...[...settings, ...set].flatMap((setting) => ["--set", setting]),
  ]);
const vocabulary = `data.vocabulary=${join(root, "merges.txt")}`;
const weights = (name: string) => `decoder.clipWeights=${join(root, name)}`;

t.test("a run on CLIP's tokens and table", async (t) => {
  const { code, stderr } = await train("run", vocabulary, weights("clip.safetensors"));
  t.equal(code, 0, stderr);
  t.match(stderr, new RegExp(`; ${size} tokens`));
  t.match(stderr, /over 13 tokens: cut +words$/m, "tokens are counted for the length; nothing is unknown");
  const folder = join(root, "run/weights");
  const { tensors } = decodeSafetensors(readFileSync(join(folder, "model.safetensors")), "model");
  const stored = tensors.get("decoder.tokens")!;
  t.same(stored.shape, [size + 1, dim], "the table and [MASK]");
  const rms = Math.sqrt(table.reduce((sum, x) => sum + x * x, 0) / table.length);
  const checkpoints = decodeSafetensors(
    readFileSync(join(root, "run/checkpoints/decoder/step-000006/model.safetensors")),
    "checkpoint",
  );
  const kept = checkpoints.tensors.get("tokens")!.data as Float32Array;
  const worst = table.reduce((most, x, i) => Math.max(most, Math.abs(kept[i]! - (x * 0.5) / rms)), 0);
  t.ok(worst < 1e-6, `after six steps still CLIP's numbers times one factor (${worst})`);
  const picture = join(pictures, "red-square.png");
  const said = await runCommand("caption", [
    "--weights",
    folder,
    "--template",
    "a _ square",
    "--json",
    picture,
  ]);
  t.equal(said.code, 0, said.stderr);
  t.match(JSON.parse(said.stdout).caption, /^a \S+ square$/);
});

t.test("files that do not fit are told before the run begins", async (t) => {
  const fails = async (message: RegExp, ...set: string[]) => {
    const { code, stderr } = await train("none", ...set);
    t.equal(code, 1, message.source);
    t.match(ownLines(stderr).at(-1), message);
  };
  await fails(/data\.tokenizer=clip needs data\.vocabulary/, weights("clip.safetensors"));
  await fails(
    /small\.safetensors: token_embedding\.weight is \[500, 16\], but the tokenizer \(data\.tokenizer=clip\) has \d+ tokens/,
    vocabulary,
    weights("small.safetensors"),
  );
  await fails(/other\.safetensors has no token table of CLIP/, vocabulary, weights("other.safetensors"));
  await fails(/missing\.safetensors/, vocabulary, weights("missing.safetensors"));
});
