import { Captioner } from "../../dist/captioner/captioner.js";
import type { CaptionOptions } from "../../dist/captioner/options.js";
import { Module } from "../../dist/engine/nn/module.js";
import { noGrad } from "../../dist/engine/tensor/tape.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { UserError } from "../../dist/platform/errors.js";
import { UnfinishedCaption } from "../../dist/text/unfinished-caption.js";
import { type Check, randomArray, test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { build, decoderOf, id, pictures, saved, tokenizer, vqvaeOf } from "../tiny-captioner.js";

async function texts(captioner: Captioner, options: CaptionOptions = {}, count = 8): Promise<string[]> {
  return (await captioner.captionAll(pictures(count), options)).map(({ text }) => text);
}

/** Logits for some noisy captions and codes, without sampling. */
async function logits(captioner: Captioner): Promise<Float32Array> {
  const { gpu } = captioner;
  const decoder = decoderOf(captioner);
  const { vocabulary, length, codes } = decoder.shape;
  const batch = 4;
  const random = randomArray(8, 200, 1000).map(Math.abs).map(Math.floor);
  const [xt, time, y] = [
    fromArray(
      gpu,
      random.slice(0, batch * length).map((x) => x % (vocabulary + 1)),
      [batch, length],
      "u32",
    ),
    fromArray(gpu, [1, 4, 7, 10], [batch], "u32"),
    fromArray(
      gpu,
      random.slice(100, 100 + batch * captioner.positions).map((x) => x % (codes + 1)),
      [batch, captioner.positions],
      "u32",
    ),
  ];
  const result = gpu.scope(() => noGrad(() => decoder.forward(xt, time, decoder.prepare(y))));
  const values = await result.read();
  for (const tensor of [xt, time, y, result]) tensor.dispose();
  return values;
}

test("[UNK] is drawn only where it is allowed", async (t, gpu) => {
  const captioner = build(gpu, "sampling.topR=1", "sampling.temperature=3");
  const count = async (options: CaptionOptions) =>
    (await texts(captioner, options, 64)).filter((text) => text.includes("[UNK]")).length;
  for (const method of ["none", "cfg", "mcs"] as const) {
    for (const last of ["sample", "argmax"] as const) {
      const settings = { guidance: method, last };
      t.equal(await count(settings), 0, `${method}, ${last}: in none of 64 captions`);
    }
    const allowed = await count({ guidance: method, last: "sample", allowUnknown: true });
    t.ok(allowed > 0, `${method}: in ${allowed} of 64 where it is allowed`);
  }
  t.equal(await count({ words: "a _ _ cat", last: "sample" }), 0, "nor in a gap");
  for await (const step of captioner.denoise(
    { width: 16, height: 16, data: pictures(1) },
    { alternatives: 11 },
  )) {
    const rows = step.alternatives.map((row) => row.find(({ word }) => word === "[UNK]")!.probability);
    t.ok(
      rows.every((probability) => probability === 0),
      "and the report of a step gives it no probability",
    );
  }
  captioner.dispose();
});

for (const embedding of ["vectors", "codes"] as const) {
  test(`saved and loaded, a captioner says the same (condition: ${embedding})`, async (t, gpu) => {
    const captioner = build(gpu, `decoder.conditionEmbedding=${embedding}`);
    const expected = await texts(captioner);
    t.ok(
      new Set(expected).size > 2,
      `different things of different pictures: ${expected.slice(0, 3).join(" | ")}`,
    );
    const files = new MemoryFiles();
    await captioner.save(files, "weights", await saved(captioner), { about: { data: "noise" } });
    const { initialise } = Module.prototype;
    const initialised: Module[] = [];
    Module.prototype.initialise = function (seed) {
      initialised.push(this);
      initialise.call(this, seed);
    };
    const loaded = await Captioner.fromFolder(gpu, files, "weights").finally(() => {
      Module.prototype.initialise = initialise;
    });
    t.same(initialised, [], "nothing is initialised that the file sets");
    t.same(await texts(loaded), expected, "the same captions");
    t.same([...(await logits(loaded))], [...(await logits(captioner))], "from the same logits");
    t.same(loaded.config, captioner.config, "the same settings");
    const record = JSON.parse(await files.readText("weights/config.json"));
    t.same(record.about, { data: "noise" }, "what else was to be told is in config.json");
    loaded.dispose();
    captioner.dispose();
  });
}

test("weights do not tell where the pictures lay", async (t, gpu) => {
  const files = new MemoryFiles();
  for (const folder of [
    "/home/zelda/pictures/cats",
    "/home/zelda/pictures/cats/",
    "C:\\Users\\zelda\\cats",
    "cats",
  ]) {
    const captioner = build(gpu, "data.source=folder", `data.folder=${folder}`);
    await captioner.save(files, "weights", await saved(captioner));
    const text = await files.readText("weights/config.json");
    t.ok(!text.includes("zelda"), `${folder}: no word of its place`);
    t.equal(JSON.parse(text).config.data.folder, "cats", "its name alone");
    captioner.dispose();
  }
});

test("half precision halves the file and costs little", async (t, gpu) => {
  const captioner = build(gpu);
  const files = new MemoryFiles();
  await captioner.save(files, "full", await saved(captioner));
  await captioner.save(files, "half", await saved(captioner), { half: true });
  const bytes = async (folder: string) => (await files.read(`${folder}/model.safetensors`)).length;
  const share = (await bytes("half")) / (await bytes("full"));
  t.ok(share > 0.45 && share < 0.65, `${(100 * share).toFixed(0)} % of the bytes`);
  const loaded = await Captioner.fromFolder(gpu, files, "half");
  t.same(
    [...(await vqvaeOf(loaded).codebook.read())],
    [...(await vqvaeOf(captioner).codebook.read())],
    "the codebook stays float32",
  );
  const [full, half] = [await logits(captioner), await logits(loaded)];
  const worst = full.reduce((most, value, i) => Math.max(most, Math.abs(value - half[i]!)), 0);
  const spread = Math.sqrt(full.reduce((sum, value) => sum + value * value, 0) / full.length);
  t.comment(`largest error of a logit ${worst.toExponential(1)}, logits are about ${spread.toFixed(2)}`);
  t.ok(worst > 0, "weights were rounded");
  // A float16 has 11 bits: each weight is off by at most 1/2048 of itself, and a few dozen such errors add up.
  t.ok(
    worst < 0.005 * spread,
    `logits are off by at most ${((100 * worst) / spread).toFixed(2)} % of their size`,
  );
  loaded.dispose();
  captioner.dispose();
});

test("seed and settings decide the captions", async (t, gpu) => {
  const captioner = build(gpu);
  const first = await captioner.captionAll(pictures(8), { seed: 4 });
  t.same(await captioner.captionAll(pictures(8), { seed: 4 }), first, "the same seed says the same");
  t.ok(
    JSON.stringify(await captioner.captionAll(pictures(8), { seed: 5 })) !== JSON.stringify(first),
    "another one something else",
  );
  t.ok(
    first.every(({ tokens, text }) => tokens.length === 6 && tokenizer.decode(tokens) === text),
    "tokens and text agree",
  );
  const greedy = await texts(captioner, { temperature: 0, steps: 10 });
  t.equal(greedy.length, 8, "temperature 0 is allowed");
  await t.throwsMessage(
    texts(captioner, { steps: 11 }),
    /11 steps is not possible; .* from 1 to 10/,
    "too many steps",
  );
  await t.throwsMessage(
    captioner.captionAll(new Uint8Array(100)),
    /16×16 RGB pictures of 768 bytes, not 100/,
    "bytes",
  );

  const plain = await texts(captioner, { guidance: "none" });
  for (const guidance of [
    { method: "mcs", scale: 1 },
    { method: "cfg", scale: 1 },
    { method: "mcs-printed", scale: 0 },
  ] as const) {
    t.same(
      await texts(captioner, { guidance }),
      plain,
      `${guidance.method} with scale ${guidance.scale} is no guidance`,
    );
  }
  const strong = { scale: 4, maskRate: 0.9 };
  const guided = await texts(captioner, { guidance: { method: "mcs", ...strong } });
  t.ok(guided.join() !== plain.join(), "with scale 4 it is some");
  t.same(
    await texts(captioner, { guidance: { method: "mcs-printed", ...strong, scale: -3 } }),
    guided,
    "mcs-printed is mcs with 1 - scale",
  );
  t.ok(
    (await texts(captioner, { guidance: { method: "mcs", ...strong, maskMode: "redrawn" } })).join() !==
      guided.join(),
    "a mask redrawn at every step is another mask",
  );
  captioner.dispose();
});

async function checkTemplate(
  t: Check,
  captioner: Captioner,
  template: string,
  pattern: RegExp,
): Promise<void> {
  for (const options of [
    { guidance: "none" },
    { guidance: { method: "mcs", scale: 3 } },
    { temperature: 0 },
  ] as const) {
    const steps: Uint32Array[] = [];
    const captions = await captioner.captionAll(pictures(6), {
      words: template,
      ...options,
      onStep: ({ tokens }) => {
        steps.push(tokens);
      },
    });
    for (const { text } of captions)
      t.ok(pattern.test(text), `"${template}", ${JSON.stringify(options)}: "${text}"`);
    const given = template
      .split(" ")
      .flatMap((word, i) => (/^\w+$/.test(word) && word !== "_" ? [[i, id(word)]] : []));
    t.ok(
      steps.length === 5 &&
        steps.every((tokens) =>
          given.every(([at, token]) => tokens.every((x, i) => i % 6 !== at || x === token)),
        ),
      "its words stand from the first step on",
    );
  }
}

test("a template's words stay in place, its gaps are filled with words", async (t, gpu) => {
  const captioner = build(gpu);
  // A model that wants to end every caption at once.
  const bias = captioner.decoder.parameters().find(({ name }) => name === "head.bias")!.tensor;
  bias.write(Float32Array.from({ length: bias.size }, (_, i) => (i === tokenizer.endId ? 12 : 0)));
  t.same(await texts(captioner, { guidance: "none" }), new Array(8).fill(""), "which it does");
  await checkTemplate(t, captioner, "a _ cat", /^a \S+ cat$/);
  await checkTemplate(t, captioner, "_ dog with _ hat", /^\S+ dog with \S+ hat$/);
  await checkTemplate(t, captioner, "a black cat ...", /^a black cat$/);
  await t.throwsMessage(
    texts(captioner, { words: "a _ cow" }),
    /"cow" is not in the model's vocabulary/,
    "a cow",
  );
  captioner.dispose();
});

test("many pictures go through in batches, and give back their memory", async (t, gpu) => {
  const captioner = build(gpu, "sampling.guidance=none");
  const all = pictures(70);
  const codes = await captioner.encodeAll(all);
  t.same(
    [...codes.slice(-16)],
    [...(await captioner.encodeAll(all.slice(-768)))],
    "the last picture has the codes that it has alone",
  );
  const done: number[] = [];
  const captions = await captioner.captionCodes(codes, { steps: 2, onBatch: (count) => done.push(count) });
  t.equal(captions.length, 70, "a caption for each");
  t.same(done, [64, 70], "after each batch it is told");
  const images = await captioner.reconstructAll(codes);
  t.equal(images.length, all.length, "and a reconstruction");
  t.same(
    [...images.slice(-768)],
    [...(await captioner.reconstructAll(codes.slice(-16)))],
    "the last one as it is alone",
  );
  const before = gpu.memory.liveBytes;
  await captioner.captionCodes(codes, { steps: 2, words: "a _ ..." });
  const guided = { guidance: { method: "mcs", scale: 3, maskMode: "redrawn" } } as const;
  await captioner.captionCodes(codes.slice(0, 32), { ...guided, steps: 2 });
  for (const wrong of [{ topR: 0 }, { ...guided, words: "a cow" }, { words: "a _", temperature: -1 }]) {
    await t.throwsMessage(
      captioner.captionCodes(codes.slice(0, 32), { steps: 2, ...wrong }),
      /./,
      "a wrong setting",
    );
  }
  await captioner.encodeAll(all);
  await captioner.reconstructAll(codes);
  t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  captioner.dispose();
});

test("folders that hold no captioner are refused", async (t, gpu) => {
  const captioner = build(gpu);
  const files = new MemoryFiles();
  await captioner.save(files, "w", await saved(captioner));
  await t.throwsMessage(
    Captioner.fromFolder(gpu, files, "nowhere"),
    /nowhere holds no captioner/,
    "no folder",
  );
  const config = JSON.parse(await files.readText("w/config.json"));
  await files.write("w/config.json", JSON.stringify({ ...config, format: "other" }));
  await t.throwsMessage(
    Captioner.fromFolder(gpu, files, "w"),
    /w\/config\.json has format "other"/,
    "another format",
  );
  config.config.decoder.dim = 16;
  delete config.sha256;
  await files.write("w/config.json", JSON.stringify(config));
  await t.throwsMessage(
    Captioner.fromFolder(gpu, files, "w"),
    /model\.safetensors: decoder\.tokens is \[12, 32\], this model's is \[12, 16\]/,
    "settings that do not fit",
  );
  captioner.dispose();
});

test("config.json: settings and words are covered by a hash, and older files load", async (t, gpu) => {
  const captioner = build(gpu);
  const files = new MemoryFiles();
  await captioner.save(files, "weights", await saved(captioner));
  const expected = await texts(captioner);
  captioner.dispose();
  const text = await files.readText("weights/config.json");
  const change = async (by: (record: never) => unknown) => {
    const record = JSON.parse(text);
    by(record as never);
    await files.write("weights/config.json", JSON.stringify(record));
    const loaded = await Captioner.fromFolder(gpu, files, "weights").catch((error: unknown) => error);
    if (!(loaded instanceof Captioner)) return loaded instanceof UserError ? loaded.message : `${loaded}`;
    const said = await texts(loaded);
    loaded.dispose();
    return said;
  };
  t.same(await change(() => {}), expected, "other blanks are no other contents");
  const old = (record: Record<string, unknown>) => {
    delete record.sha256;
  };
  t.same(await change(old), expected, "a file of before there was a hash");
  const changed = /^weights\/config\.json is damaged or was changed: its "sha256"/;
  for (const [name, by] of Object.entries<(record: never) => unknown>({
    "words in another order": ({ tokenizer }: { tokenizer: { words: string[] } }) =>
      tokenizer.words.reverse(),
    "another setting": ({ config }: { config: { sampling: { scale: number } } }) => {
      config.sampling.scale++;
    },
    "no weights": (record: { weights?: unknown }) => {
      delete record.weights;
    },
  }))
    t.ok(changed.test(String(await change(by))), `${name}: ${await change(by)}`);
  for (const [name, by, pattern] of [
    ["weights: null", (r: Record<string, unknown>) => (r.weights = null), /"weights" should hold the bytes/],
    ["weights: []", (r: Record<string, unknown>) => (r.weights = []), /"weights" should hold the bytes/],
    ["config: null", (r: Record<string, unknown>) => (r.config = null), /"config" lacks the section "data"/],
    [
      "no decoder",
      (r: Record<string, Record<string, unknown>>) => delete r.config!.decoder,
      /"config" lacks the section "decoder"/,
    ],
    ["tokenizer: []", (r: Record<string, unknown>) => (r.tokenizer = []), /is not a word vocabulary/],
  ] as const) {
    const said = await change((record) => {
      old(record);
      (by as (record: unknown) => unknown)(record);
    });
    t.ok(pattern.test(String(said)), `${name}: ${said}`);
  }
});

test("a caption that still holds [MASK] is an error of its own", async (t, gpu) => {
  const captioner = build(gpu, "sampling.guidance=none");
  const parameters = captioner.decoder.parameters();
  t.ok(parameters.length > 0, "parameters");
  for (const { tensor } of parameters)
    gpu.device.queue.writeBuffer(
      tensor.storage.buffer,
      4 * tensor.offset,
      new Float32Array(tensor.size).fill(Number.NaN),
    );
  const drawn = { width: 16, height: 16, data: pictures(1) };
  for (const say of [() => captioner.captionAll(pictures(2)), () => captioner.caption(drawn)]) {
    const error = await say().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    t.ok(error instanceof UnfinishedCaption, `${error}`);
  }
  captioner.dispose();
});
