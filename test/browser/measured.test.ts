/** What the page's scripts recorded and measured (web/measured/) is what the shipped model says today. */
import { readFileSync } from "node:fs";
import sharp from "sharp";
import t from "tap";
import { Captioner } from "../../dist/captioner/captioner.js";
import type { GuidanceMethod } from "../../dist/diffusion/guidance.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { nodePlatform, shippedWeights } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";

const measured = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../web/measured/${name}.json`, import.meta.url), "utf8"));
const { gallery }: { gallery(): Promise<Map<string, Uint8Array | string>> } = await import(
  new URL("../../web/gallery.js", import.meta.url).href
);
const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
t.teardown(() => {
  captioner.dispose();
  gpu.dispose();
  opened.device.destroy();
});
const files = await gallery();
const list = JSON.parse(String(files.get("gallery.json"))) as {
  pictures: { file: string; captions: string[] }[];
  guidance: { scale: number; examples: { file: string; captions: string[]; seed: number }[] };
};
const codesOf = async (file: string) => {
  const { data, info } = await sharp(files.get(file) as Uint8Array)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
  return captioner.codes(pixels);
};

t.test("the picture that the page opens with, and its recorded caption", async (t) => {
  const run = measured("recorded-run") as {
    picture: string;
    captions: string[];
    codes: number[];
    settings: { seed: number; steps: number };
    steps: { words: string[]; text: string }[];
  };
  t.equal(list.pictures[0]!.file, run.picture, "it is the gallery's first");
  t.same(list.pictures[0]!.captions, run.captions);
  const codes = await codesOf(run.picture);
  const ids = await codes.read();
  codes.dispose();
  const same = run.codes.filter((id, i) => id === ids[i]).length;
  t.ok(same >= 62, `${same} of 64 codes are the recorded ones`);
  const recorded = fromArray(gpu, Uint32Array.from(run.codes), [1, run.codes.length], "u32").keep();
  const { text } = await captioner.caption(recorded);
  recorded.dispose();
  t.equal(text, run.steps.at(-1)!.text, "the caption is the recorded one");
  t.ok(run.captions.includes(text), "and perfect: one of the references");
  t.equal(run.steps.length, captioner.config.sampling.steps);
  t.equal(run.settings.seed, captioner.config.seed);
  const strip = measured("strip") as {
    text: string;
    forward: { words: string[] }[];
    reverse: { words: string[] }[];
  };
  const final = run.steps.at(-1)!.words;
  t.same(
    [strip.text, strip.forward[0]!.words, strip.reverse.at(-1)!.words],
    [text, final, final],
    "as in the strip",
  );
  const masks = (words: string[]) => words.filter((word) => word === "[MASK]").length;
  t.ok(masks(strip.forward.at(-1)!.words) >= 6, "whose words fall into [MASK]");
  t.same(
    strip.forward.map(({ words }) => masks(words)).toSorted((a, b) => a - b),
    strip.forward.map(({ words }) => masks(words)),
    "and never come back on that way",
  );
});

t.test("the guidance lab opens on an example where guidance matters", async (t) => {
  const { scale, examples } = list.guidance;
  const { file, captions, seed } = examples[0]!;
  const codes = await codesOf(file);
  const say = async (method: GuidanceMethod) =>
    (await captioner.caption(codes, { guidance: { method, scale }, seed })).text;
  const [none, cfg] = [await say("none"), await say("cfg")];
  codes.dispose();
  t.notOk(captions.includes(none), `without guidance: ${none}`);
  t.ok(captions.includes(cfg), `with it: ${cfg}`);
});
