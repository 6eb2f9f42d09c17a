/** A VQGAN's checkpoint, from import.js to captions on its codes. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { decodeSafetensors } from "../../dist/engine/weights/safetensors.js";
import { unpack, vectorPath, vectors } from "../models/vqgan/support.js";
import { writePictures } from "./pictures.js";
import { ownLines, runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(600_000);

const root = mkdtempSync(join(tmpdir(), "mcd-vqgan-"));
t.teardown(() => rmSync(root, { recursive: true }));
const weights = join(root, "weights");
const env = { XDG_CACHE_HOME: join(root, "cache") };

t.test("import.js and encode.js", async (t) => {
  const file = unpack("gumbel", root);
  const map = vectorPath("gumbel", "code-map.pt");
  const imported = await runCommand("import", ["vqgan", file, "--codes-from", map, "--out", weights]);
  t.equal(imported.code, 0, imported.stderr);
  t.match(imported.stdout, /VQGAN with Gumbel quantizer, 1\.1 million parameters, a code for 4×4 pixels/);
  t.match(imported.stdout, /64 codes of 16 numbers, 43 of them in use/, "says what it is");
  const config = JSON.parse(readFileSync(join(weights, "config.json"), "utf8"));
  t.match(config, { imageTokenizer: "vqgan", imageSize: 32, settings: { ids: 44, quantizer: "gumbel" } });
  t.match(
    config.source,
    {
      checkpoint: { file: "gumbel.ckpt", sha256: /^[0-9a-f]{64}$/ },
      config: { file: "gumbel.yaml" },
      codesFrom: { file: "code-map.pt" },
    },
    "and where it comes from",
  );

  const { images } = JSON.parse(readFileSync(vectorPath("gumbel", "code-map.json"), "utf8"));
  const pictures = [0, 2].map((i) => vectorPath("gumbel", `image${i}.png`));
  const encoded = await runCommand("encode", [
    "--tokenizer",
    weights,
    "--size",
    "none",
    "--json",
    ...pictures,
  ]);
  t.equal(encoded.code, 0, encoded.stderr);
  const lines = encoded.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.same(
    lines,
    [
      { file: pictures[0], height: 8, width: 8, ids: images[0].ids.flat() },
      { file: pictures[1], height: 10, width: 6, ids: images[2].ids.flat() },
    ],
    "grids and ids",
  );

  const png = join(root, "again.png");
  const decoded = await runCommand("encode", [
    ...["--tokenizer", weights, "--size", "none", "--reconstruct", png],
    pictures[1]!,
  ]);
  t.equal(decoded.code, 0, decoded.stderr);
  t.match(decoded.stdout, /image2.png: 10×6 codes\n( *\d+){6}\n/, "a grid to read");
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  t.same([info.height, info.width, info.channels], [40, 24, 3], "a picture of the same size");
  const wanted = vectors("gumbel", "code-map.expected.safetensors").get("image2.reconstruction")!;
  const bytes = Array.from(data, (byte, at) => {
    const [pixel, channel] = [Math.floor(at / 3), at % 3];
    const value = (Number(wanted.data[channel * 40 * 24 + pixel]) + 1) * 127.5;
    return Math.abs(byte - Math.min(255, Math.max(0, value)));
  });
  t.ok(Math.max(...bytes) < 0.6, "the reference's picture, rounded to bytes");
});

t.test("wrong input ends in one sentence", async (t) => {
  const fails = async (command: string, args: string[], code: number, message: RegExp) => {
    const outcome = await runCommand(command, args);
    t.equal(outcome.code, code, `${command} ${args.join(" ")}`);
    t.match(ownLines(outcome.stderr).at(-1), message);
  };
  const other = join(root, "other.yaml");
  writeFileSync(other, "params:\n  ddconfig:\n    ch: 64\n");
  const file = join(root, "gumbel.ckpt");
  const out = join(root, "nothing");
  await fails("import", ["vqgan", file, "--config", other, "--out", out], 1, /other.yaml says ch: 64, and /);
  await fails("import", ["vqgan", join(root, "none.ckpt"), "--out", out], 1, /none.ckpt/);
  await fails("import", ["vqgan", file], 2, /see --help/);
  await fails("encode", [vectorPath("nn", "image0.png")], 2, /name the network: --tokenizer FOLDER/);
  await fails("encode", ["--tokenizer", root, "x.png"], 1, /holds no image tokenizer: it needs config.json/);
  await fails("train", ["--prune-codes"], 2, /--prune-codes needs --tokenizer/);
  t.notOk(existsSync(out), "nothing is written");
});

t.test("train.js on its codes", async (t) => {
  const pictures = join(root, "pictures");
  await writePictures(pictures);
  const plain = join(root, "plain");
  const file = unpack("nn", root);
  t.equal((await runCommand("import", ["vqgan", file, "--out", plain, "--quiet"])).code, 0);
  const settings = [
    ...sizes.filter((entry) => !/^(vqvae|data\.imageSize)/.test(entry)),
    ...["data.augment=0", "decoder.batch=4", "decoder.warmup=2", "decoder.steps=6", "sampling.steps=3"],
    ...["log.sampleEvery=0", "log.evaluateEvery=0", "log.scored=2", "log.checkpointEvery=3"],
  ].flatMap((entry) => ["--set", entry]);
  const out = join(root, "run");
  const args = ["--data", pictures, "--tokenizer", plain, "--prune-codes", "--out", out, "--seed", "2"];
  const trained = await runCommand("train", [...args, ...settings], { env });
  t.equal(trained.code, 0, trained.stderr);
  const [, used] = /(\d+) of 64 in use/.exec(trained.stderr)!;
  const { fullToId } = JSON.parse(readFileSync(join(out, "code-map.json"), "utf8")) as { fullToId: number[] };
  t.equal(Math.max(...fullToId), Number(used), "the map of its codes is kept");
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  t.match(
    config,
    { imageTokenizer: "vqgan", data: { imageSize: 32 }, vqgan: { ids: Number(used) + 1, folder: plain } },
    "settings from the folder",
  );
  t.notMatch(trained.stderr, /^vqvae \d/m, "no stage for the tokenizer");

  const resumed = await runCommand("train", ["--resume", out, "--set", "decoder.steps=8"], { env });
  t.equal(resumed.code, 0, resumed.stderr);
  const captioned = await runCommand("caption", [
    ...["--weights", join(out, "weights"), "--json", "--steps", "3", "--seed", "1"],
    join(pictures, "red-circle.png"),
  ]);
  t.equal(captioned.code, 0, captioned.stderr);
  t.type(JSON.parse(captioned.stdout).caption, "string", "a caption from the saved weights");
  const stored = JSON.parse(readFileSync(join(out, "weights", "config.json"), "utf8"));
  t.equal(stored.config.vqgan.folder, "plain", "weights do not say where the folder lay");
  const saved = (folder: string) =>
    decodeSafetensors(readFileSync(join(folder, "model.safetensors")), folder).tensors;
  const [frozen, given] = [saved(join(out, "weights")), saved(plain)];
  for (const [name, tensor] of given) {
    const kept = frozen.get(`vqvae.${name}`)!;
    if (
      kept.dtype !== "F32" ||
      Buffer.compare(
        Buffer.from(kept.data.buffer, kept.data.byteOffset, kept.data.byteLength),
        Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
      ) !== 0
    )
      t.fail(`${name} of the saved weights is not the tokenizer's`);
  }
  t.ok(frozen.size > given.size, "beside the decoder, the tokenizer to the bit");

  writeFileSync(join(out, "code-map.json"), JSON.stringify({ fullToId: fullToId.map(() => 1) }));
  const damaged = await runCommand("train", ["--resume", out, "--set", "decoder.steps=9"], { env });
  t.match(damaged.stderr, /code-map.json is damaged: it is not the map of codes that the run began with/);
  const moved = await runCommand("train", ["--resume", out, "--tokenizer", weights], { env });
  t.match(moved.stderr, /holds another image tokenizer than the settings name/, "nor another tokenizer");
});
