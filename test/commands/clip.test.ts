/** import.js clip, encode.js --clip, evaluate.js --clip, as processes. */

import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { smallMerges } from "../models/clip/merges.js";
import {
  pictureFiles,
  reference,
  sequences,
  unpack,
  worst,
  writeHuggingFace,
} from "../models/clip/support.js";
import { writePictures } from "./pictures.js";
import { ownLines, runCommand } from "./run.js";

t.setTimeout(900_000);

const ids = Array.from(sequences[0]!.slice(0, 6)).join(",");

t.test("import, encode, evaluate", async (t) => {
  const folder = t.testdir();
  const [source, out] = [join(folder, "hf"), join(folder, "weights", "clip")];
  await mkdir(source);
  await writeHuggingFace(source);
  await writeFile(join(source, "merges.txt"), smallMerges());
  const imported = await runCommand("import", ["clip", source, "--out", out]);
  t.equal(imported.code, 0, imported.stderr);
  t.match(imported.stdout, /^CLIP with Hugging Face's names, 1\.2 million parameters, 32 features\n/);
  t.match(imported.stdout, /64×64 in patches of 16, 2 layers, 128 wide, 2 heads, quick-gelu\n/);
  t.match(imported.stdout, /\nvocabulary: CLIP's byte pairs\n/);
  t.same(await readdir(out), ["config.json", "model.safetensors"], "two files, none half-written");

  await t.test("encode.js prints the reference's features and their cosine", async (t) => {
    const { code, stdout, stderr } = await runCommand("encode", [
      ...["--clip", out, pictureFiles[0]!, pictureFiles[1]!, "--tokens", ids, "--text", "a bird", "--json"],
    ]);
    t.equal(code, 0, stderr);
    t.same(ownLines(stderr), [], "nothing beside the results");
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    t.equal(lines.length, 4, "two pictures with two texts");
    t.same(Object.keys(lines[0]), ["file", "imageFeatures", "text", "tokens", "textFeatures", "cosine"]);
    const bpe = new ClipBpe(smallMerges().trim().split("\n").slice(1));
    t.same(lines[0].tokens, [598, ...bpe.encode("a bird"), 599], "a text is start, tokens, end");
    const [, first, , second] = lines;
    t.same(first.tokens, ids.split(",").map(Number));
    const [images, texts] = [Array.from(reference("image_features")), Array.from(reference("text_features"))];
    t.ok(worst(first.imageFeatures, images.slice(0, 32)) < 5e-5, "picture 0");
    t.ok(worst(second.imageFeatures, images.slice(32, 64)) < 5e-5, "picture 1");
    t.ok(worst(first.textFeatures, texts.slice(0, 32)) < 5e-5, "text 0");
    t.ok(
      Math.abs(first.cosine - 0.27963843) < 1e-5 && Math.abs(second.cosine - 0.23159374) < 1e-5,
      "cosines",
    );
  });

  await t.test("wrong use and damaged files end in one sentence", async (t) => {
    const fails = async (command: string, args: string[], code: number, message: RegExp) => {
      const outcome = await runCommand(command, args);
      const lines = ownLines(outcome.stderr);
      t.equal(outcome.code, code, outcome.stderr);
      t.match(lines[0], message);
      t.equal(lines.filter((line) => line.startsWith("error:")).length, 1, "one error");
    };
    await fails("encode", ["--clip", out], 2, /^error: nothing to encode/);
    await fails(
      "encode",
      ["--clip", out, "--tokens", "5,x"],
      2,
      /^error: --tokens 5,x: it should be token ids/,
    );
    await fails(
      "encode",
      ["--clip", folder, "--tokens", ids, "--json"],
      1,
      /holds no CLIP .*: download openai\/clip-vit-base-patch32/,
    );
    await fails(
      "import",
      ["clip", out, "--out", join(folder, "again"), "--quiet"],
      1,
      /is no CLIP: it has neither/,
    );
    const broken = join(folder, "broken");
    await mkdir(broken);
    await copyFile(join(out, "config.json"), join(broken, "config.json"));
    const whole = await readFile(join(out, "model.safetensors"));
    whole[whole.length - 1]! ^= 1;
    await writeFile(join(broken, "model.safetensors"), whole);
    await fails(
      "encode",
      ["--clip", broken, "--tokens", ids, "--json"],
      1,
      /is damaged or of another version/,
    );
  });

  await t.test("evaluate.js adds CLIPScore, and goes on without a CLIP", async (t) => {
    await writePictures(join(folder, "pictures"));
    const cache = { XDG_CACHE_HOME: join(folder, "cache") };
    const options = [
      ...["--data", join(folder, "pictures"), "--splits", "validation", "--seeds", "1", "--steps", "2"],
      ...["--draws", "50", "--bound", "0", "--no-baselines", "--quiet"],
    ];
    const scores = join(folder, "scores.json");
    const run = (clip: string) =>
      runCommand("evaluate", [...options, "--clip", clip, "--out", scores], { env: cache });
    const scored = await run(out);
    t.equal(scored.code, 0, scored.stderr);
    const table = scored.stdout.split("\n\n").at(-1)!;
    t.match(table, /^\| split \| pictures \| captions by \| CLIPScore \| RefCLIPScore \|/);
    t.match(table, /^\| validation \| 4 \| model \| \d\.\d{4} \[/m);
    const { clip } = JSON.parse(await readFile(scores, "utf8"));
    t.match(clip, { sha256: /^[0-9a-f]{64}$/, splits: [{ split: "validation", pictures: 4 }] });
    t.equal((await readdir(join(folder, "cache", "mc-diffusion", "clip"))).length, 1, "features are kept");

    const file = join(folder, "table.json");
    const columns = ["--clip", out, "--metrics", "ciderD", "--json", file];
    const inTable = await runCommand("evaluate", [...options, ...columns], { env: cache });
    t.equal(inTable.code, 0, inTable.stderr);
    t.match(
      inTable.stdout,
      /^\| split \| pictures \| captions by \| CIDEr-D \| CLIPScore \| RefCLIPScore \|/,
    );
    const [row] = JSON.parse(await readFile(file, "utf8")).splits[0].rows;
    const [{ clipScore, refClipScore }] = clip.splits[0].rows;
    t.same(
      [row.scores.clipScore, row.scores.refClipScore],
      [clipScore, refClipScore],
      "columns of one table, the same scores and intervals",
    );
    const without = await run(join(folder, "nothing"));
    t.equal(without.code, 0, without.stderr);
    t.match(without.stderr, /careful: .*nothing holds no CLIP, so CLIPScore is left out: download openai/);
    t.match(without.stdout, /BLEU-4/, "the other scores");
    t.notMatch(without.stdout, /CLIPScore/);
  });
});

t.test("OpenAI's archive without a vocabulary takes token ids", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "ViT.pt");
  await unpack("openai.torchscript.pt", path);
  const imported = await runCommand("import", ["clip", path, "--out", join(folder, "clip")]);
  t.equal(imported.code, 0, imported.stderr);
  t.match(imported.stdout, /CLIP with OpenAI's names[\s\S]*no vocabulary: texts are given as token ids/);
  const text = await runCommand("encode", ["--clip", join(folder, "clip"), "--text", "a bird", "--json"]);
  t.equal(text.code, 1);
  t.match(ownLines(text.stderr)[0], /^error: this CLIP has no vocabulary: give texts as token ids/);
  const { stdout } = await runCommand("encode", ["--clip", join(folder, "clip"), "--tokens", ids, "--json"]);
  const { textFeatures } = JSON.parse(stdout);
  t.ok(worst(textFeatures, Array.from(reference("text_features")).slice(0, 32)) < 5e-5);
});
