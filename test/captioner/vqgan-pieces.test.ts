/** The paper's inputs together, in Node and in pages: codes of a VQGAN as condition, CLIP's tokens as words. */

import { Captioner } from "../../dist/captioner/captioner.js";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { ClipTokenizer } from "../../dist/text/clip/clip-tokenizer.js";
import "../../dist/vqgan.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { mergesFor } from "../merges.js";
import { buildWith, pictures, saved } from "../tiny-captioner.js";

const tokenizer = new ClipTokenizer(new ClipBpe([...mergesFor(["a", "red", "bird"]), "a t</w>"]));
const vqgan = ["channels=32", "multipliers=1,1,2", "resBlocks=1", "attention=2", "zChannels=8", "embedDim=8"];
const set = [
  ...["data.tokenizer=clip", "data.vocabulary=merges.txt", "imageTokenizer=vqgan"],
  ...[...vqgan, "codes=20", "quantizer=nearest"].map((setting) => `vqgan.${setting}`),
  "decoder.conditionEmbedding=codes",
];

test("a captioner on VQGAN's codes and CLIP's pieces is saved, loaded and captions", async (t, gpu) => {
  const captioner = buildWith(gpu, tokenizer, ...set);
  t.equal(captioner.positions, 16, "two halvings of 16×16 pixels");
  t.equal(captioner.trainsTokenizer, false, "the VQGAN is frozen");
  const images = pictures(3);
  const codes = await captioner.encodeAll(images);
  t.ok(new Set(codes).size > 2 && codes.every((code) => code < 20), "codes of its codebook");
  const said = await captioner.captionAll(images, { words: "a _ cat" });
  t.ok(
    said.every(({ text }) => text.startsWith("a ") && text.endsWith(" cat")),
    `words, not pieces: ${said.map(({ text }) => text).join(" | ")}`,
  );
  const files = new MemoryFiles();
  await captioner.save(files, "weights", await saved(captioner));
  captioner.dispose();
  const loaded = await Captioner.fromFolder(gpu, files, "weights");
  t.same([loaded.config.imageTokenizer, loaded.tokenizer.name], ["vqgan", "clip"], "both kinds");
  t.same(Array.from(await loaded.encodeAll(images)), Array.from(codes), "the same codes");
  t.same(await loaded.captionAll(images, { words: "a _ cat" }), said, "the same captions");
  loaded.dispose();
});
