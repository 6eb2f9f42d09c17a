/** Captioners with autoregressive decoders: saved, loaded, asked for captions as any other. */

import "../../../dist/baselines.js";
import { Captioner } from "../../../dist/captioner/captioner.js";
import { heldOutBound } from "../../../dist/evaluation/held-out-bound.js";
import type { SamplingOptions } from "../../../dist/models/sampling-settings.js";
import { test } from "../../harness.js";
import { MemoryFiles } from "../../io/memory-files.js";
import { build, pictures, saved } from "../../tiny-captioner.js";
import { kinds } from "./decoders.js";

for (const kind of kinds) {
  test(`${kind}: a stored captioner says the same, in batches and word by word`, async (t, gpu) => {
    const section = kind === "transformer" ? kind : "lstm";
    const captioner = build(
      gpu,
      `model=${kind}`,
      ...(kind === "transformer" ? [] : ["lstm.width=24", "lstm.embedding=16", "lstm.attention=8"]),
      ...[`${section}.beam=2`, "sampling.guidance=none", "sampling.topR=1"],
    );
    const files = new MemoryFiles();
    await captioner.save(files, "weights", await saved(captioner));
    const loaded = await Captioner.fromFolder(gpu, files, "weights");
    t.equal(loaded.config.model, kind, "config.json names the kind");
    const images = pictures(3);
    const said = await captioner.captionAll(images);
    t.same(await loaded.captionAll(images), said, "the loaded captioner says what the saved one says");
    t.same(
      await loaded.captionAll(images, { beam: 2 }),
      said,
      "its own beam is used where the caller names none",
    );
    const drawn = await loaded.captionAll(images, { temperature: 1, seed: 4 });
    t.same(drawn, await loaded.captionAll(images, { beam: 0, seed: 4 }), "a temperature means drawing words");
    t.ok(JSON.stringify(drawn) !== JSON.stringify(said), "which says something else");

    const generate = loaded.decoder.generate.bind(loaded.decoder);
    let draws = 0;
    loaded.decoder.generate = (...args) => {
      draws++;
      return generate(...args);
    };
    const drawsOf = async (options: SamplingOptions) => {
      draws = 0;
      await loaded.captionAll(images, { ...options, candidates: 4 });
      return draws;
    };
    const mcs = { method: "mcs", scale: 2 } as const;
    t.equal(await drawsOf({}), 1, "candidates of a beam search are equal: one is drawn");
    t.equal(await drawsOf({ temperature: 1 }), 4, "words that are drawn differ");
    t.equal(await drawsOf({ guidance: mcs }), 4, "as do masks that are drawn");
    t.equal(await drawsOf({ guidance: { ...mcs, hidden: Array(16).fill(1) } }), 1, "given masks do not");
    loaded.decoder.generate = generate;

    const codes = await loaded.encodeAll(images.subarray(0, 768));
    const y = loaded.gpu.scope(() => loaded.codesOf({ width: 16, height: 16, data: rgba(images) }).keep());
    t.same([...(await y.read())], [...codes], "the codes of one picture");
    const steps: string[] = [];
    for await (const step of loaded.denoise(y, { alternatives: 2 })) {
      steps.push(step.words.map((word) => (word === "[MASK]" ? "_" : "w")).join(""));
      const place = 6 - step.t;
      const [first] = step.alternatives[place]!;
      t.ok(first!.probability > 0 && first!.probability < 1, `alternatives to word ${place}`);
    }
    t.same(steps, ["w_____", "ww____", "www___", "wwww__", "wwwww_", "wwwwww"], "a word at a time");
    t.same(await loaded.caption(y), said[0], "the same caption");
    t.same((await loaded.caption(y, { words: "a _ cat" })).text.split(" ").length, 3, "a template is filled");
    await t.throwsMessage(
      loaded.caption(y, { attention: true }),
      new RegExp(`A ${kind} decoder cannot show where its words look`),
      "it does not show what it cannot",
    );
    y.dispose();

    const attributes = { tone: "none", gender: "none" as const, objectWords: [] };
    const records = ["a black cat", "a dog with red hat"].map((caption, image) => ({
      ...{ id: caption, image, captions: [caption], split: "test", attributes, keywordCaptions: [] },
    }));
    const both = await loaded.encodeAll(images.subarray(0, 2 * 768));
    const dataset = { records } as unknown as Parameters<typeof heldOutBound>[1];
    const bound = await heldOutBound(loaded, dataset, [0, 1], both, { steps: 10 });
    t.same([bound.steps, bound.prior, bound.captions], [1, 0, 2], "log p of held-out captions is exact");
    loaded.dispose();
    captioner.dispose();
  });
}

function rgba(images: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const data = new Uint8ClampedArray(16 * 16 * 4).fill(255);
  for (let i = 0; i < 256; i++) data.set(images.subarray(3 * i, 3 * i + 3), 4 * i);
  return data;
}
