/** One caption as a page sees it: pictures from anywhere, every step with what is known of it. */

import type { Captioner } from "../../dist/captioner/captioner.js";
import type { DenoiseStep } from "../../dist/captioner/denoise-stream.js";
import type { DenoiseOptions } from "../../dist/captioner/options.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Float } from "../../dist/engine/gpu/kernel.js";
import { noGrad } from "../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { type Check, test } from "../harness.js";
import { build, decoderOf, id, pictures, tokenizer } from "../tiny-captioner.js";

const side = 16;
const picture = { width: side, height: side, data: pictures(1) };

async function steps(
  captioner: Captioner,
  from: Parameters<Captioner["denoise"]>[0],
  options: DenoiseOptions = {},
): Promise<DenoiseStep[]> {
  const all: DenoiseStep[] = [];
  for await (const step of captioner.denoise(from, options)) all.push(step);
  return all;
}

const tokensOf = (all: DenoiseStep[]) => all.map(({ tokens }) => tokens);

test("denoise takes the steps that the batch path takes", async (t, gpu) => {
  const captioner = build(gpu);
  for (const options of [
    { steps: 5 },
    { guidance: { method: "mcs", scale: 3, maskRate: 0.5 } },
    { guidance: { method: "cfg", scale: 2 }, seed: 9 },
    { guidance: { method: "none" }, temperature: 0, topR: 0.5, steps: 3 },
    { last: "sample", steps: 5, topR: 1 },
  ] as const) {
    const expected: number[][] = [];
    const [caption] = await captioner.captionAll(picture.data, {
      ...options,
      onStep: ({ tokens }) => expected.push([...tokens]),
    });
    const all = await steps(captioner, picture, options);
    t.same(tokensOf(all), expected, `${JSON.stringify(options)}: the same tokens at every step`);
    t.same(
      all.map(({ t: left, u }) => [left, u]),
      expected.map((_, i) => [
        Math.round((10 * (expected.length - i)) / expected.length),
        Math.round((10 * (expected.length - i - 1)) / expected.length),
      ]),
      "at the visited times",
    );
    t.same(await captioner.caption(picture, options), caption, "caption() is its end");
    for (const step of all) {
      const known = step.tokens.map((token) => tokenizer.word(token));
      t.same(step.words, known, "words by position");
      t.equal(step.text, tokenizer.decode(step.tokens), "text");
    }
  }
  t.ok(
    (await steps(captioner, picture))[0]!.words.includes("[MASK]"),
    "at first there are masks, and they are named",
  );
  captioner.dispose();
});

/** What the decoder says of tokens at time t without sampling: logits, and queries and keys of each block. */
async function forward(captioner: Captioner, codes: Tensor<"u32">, tokens: number[], time: number) {
  const { gpu } = captioner;
  const decoder = decoderOf(captioner);
  const kept: { query: Tensor<Float>; keyValue: Tensor<Float>; heads: number }[] = [];
  const xt = fromArray(gpu, tokens, [1, tokens.length], "u32");
  const at = fromArray(gpu, [time], [1], "u32");
  const logits = gpu.scope(() =>
    noGrad(() =>
      decoder.forward(xt, at, decoder.prepare(codes), {
        watch: (query, keyValue, heads) => {
          kept.push({ query: query.alias().keep(), keyValue: keyValue.alias().keep(), heads });
        },
      }),
    ),
  );
  const result = {
    logits: await logits.read(),
    blocks: await Promise.all(
      kept.map(async ({ query, keyValue, heads }) => ({
        query: await query.read(),
        keyValue: await keyValue.read(),
        heads,
        keys: keyValue.shape[1]!,
        width: query.shape[2]!,
      })),
    ),
  };
  for (const tensor of [xt, at, logits, ...kept.flatMap(({ query, keyValue }) => [query, keyValue])]) {
    tensor.dispose();
  }
  return result;
}

test("the last step takes the most likely words, or draws them", async (t, gpu) => {
  const captioner = build(gpu);
  const { vocabulary: width } = captioner.decoder.shape;
  const codes = await captioner.codes(picture);
  const noisy = [width, id("cat"), width, id("red"), width, 0];
  const { logits } = await forward(captioner, codes, noisy, 1);
  const likeliest = noisy.map((_, i) => {
    const row = logits.subarray(i * width, (i + 1) * width);
    return row.indexOf(Math.max(...row));
  });
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  const ends = async (of: Captioner, last?: "argmax" | "sample") => {
    const all: number[][] = [];
    for (const seed of seeds) {
      const { tokens } = await of.caption(codes, {
        from: { t: 1, tokens: noisy },
        guidance: { method: "none" },
        topR: 1,
        allowUnknown: true,
        seed,
        ...(last ? { last } : {}),
      });
      all.push(tokens);
    }
    return all;
  };
  t.same(
    await ends(captioner, "argmax"),
    seeds.map(() => likeliest),
    "argmax: whatever the seed",
  );
  const drawn = await ends(captioner, "sample");
  t.ok(
    new Set(drawn.map((tokens) => tokens.join())).size > 10,
    "sample: different words from different seeds",
  );
  t.same(
    await ends(captioner),
    seeds.map(() => likeliest),
    "argmax where nothing is set",
  );
  const other = build(gpu, "sampling.last=sample");
  t.same(await ends(other), drawn, "the configuration's sampling.last where no option is given");
  t.same(
    await ends(other, "argmax"),
    seeds.map(() => likeliest),
    "which an option replaces",
  );
  for (const tensor of [codes, captioner, other]) tensor.dispose();
});

test("probabilities, alternatives and attention of a step are those of the network", async (t, gpu) => {
  const captioner = build(gpu);
  const { length, vocabulary: width, side: grid } = captioner.decoder.shape;
  const codes = await captioner.codes(picture);
  const noisy = [width, id("cat"), width, id("red"), width, 0];
  const [step] = await steps(captioner, codes, {
    from: { t: 7, tokens: noisy },
    steps: 2,
    guidance: { method: "none" },
    temperature: 1,
    alternatives: 4,
    allowUnknown: true,
    attention: true,
  });
  t.equal(step!.t, 7, "it goes on from the given step");
  const { logits, blocks } = await forward(captioner, codes, noisy, 7);
  const rows = Array.from({ length }, (_, i) => {
    const exps = Array.from(logits.subarray(i * width, (i + 1) * width), (value) => Math.exp(value));
    const total = exps.reduce((a, b) => a + b);
    return exps.map((value) => value / total);
  });
  t.near(
    step!.probabilities,
    step!.tokens.map((token, i) => (token === width ? 0 : rows[i]![token]!)),
    { abs: 1e-6, rel: 1e-4 },
    "probabilities",
  );
  t.ok(
    step!.tokens.some((token) => token < width),
    "of words, not only of masks",
  );
  const ranked = rows.map((row) =>
    row
      .map((probability, k) => ({ word: tokenizer.word(k), probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, 4),
  );
  t.same(
    step!.alternatives.map((row) => row.map(({ word }) => word)),
    ranked.map((row) => row.map(({ word }) => word)),
    "alternatives in order",
  );
  t.near(
    step!.alternatives.flat().map(({ probability }) => probability),
    ranked.flat().map(({ probability }) => probability),
    { abs: 1e-6, rel: 1e-4 },
    "and their probabilities",
  );
  const positions = grid * grid;
  const mean = new Float64Array(length * positions);
  for (const { query, keyValue, heads, keys, width: d } of blocks) {
    const head = d / heads;
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < length; i++) {
        const scores = Array.from({ length: keys }, (_, j) => {
          let dot = 0;
          for (let c = h * head; c < (h + 1) * head; c++) dot += query[i * d + c]! * keyValue[j * 2 * d + c]!;
          return Math.exp(dot / Math.sqrt(head));
        });
        const total = scores.reduce((a, b) => a + b);
        for (let j = 0; j < positions; j++)
          mean[i * positions + j]! += scores[j]! / total / heads / blocks.length;
      }
    }
  }
  const { attention } = step!;
  t.same([attention!.rows, attention!.columns], [length, positions], "a row a word, a column a code");
  t.near(attention!.data, mean, { abs: 1e-6, rel: 1e-4 }, "attention, mean over heads and blocks");
  codes.dispose();
  captioner.dispose();
});

test("under guidance the attention is that of the full condition", async (t, gpu) => {
  const captioner = build(gpu);
  const { vocabulary } = captioner.decoder.shape;
  const options = { from: { t: 5, tokens: new Array(6).fill(vocabulary) }, steps: 2, attention: true };
  const [plain] = await steps(captioner, picture, { ...options, guidance: { method: "none" } });
  const guidance = { method: "mcs", scale: 3, maskRate: 0.9 } as const;
  const [guided] = await steps(captioner, picture, { ...options, guidance });
  t.near(guided!.attention!.data, plain!.attention!.data, { abs: 1e-6, rel: 1e-4 }, "the same");
  captioner.dispose();
});

test("painted positions take the place of the random mask", async (t, gpu) => {
  const captioner = build(gpu);
  const tokens = async (guidance: DenoiseOptions["guidance"]) =>
    tokensOf(await steps(captioner, picture, { ...(guidance ? { guidance } : {}), seed: 3 }));
  const strong = { method: "mcs", scale: 4 } as const;
  const positions = captioner.positions;
  const plain = await tokens({ method: "none" });
  t.same(await tokens({ ...strong, hidden: new Uint8Array(positions) }), plain, "none hidden: no guidance");
  const all = await tokens({ ...strong, hidden: new Uint8Array(positions).fill(1) });
  t.ok(JSON.stringify(all) !== JSON.stringify(plain), "all hidden: as far away as it gets");
  const one = new Uint8Array(positions);
  one[5] = 1;
  const some = await tokens({ ...strong, scale: 40, hidden: one });
  t.ok(JSON.stringify(some) !== JSON.stringify(plain), "one position is enough to be seen");
  await t.throwsMessage(
    tokens({ ...strong, hidden: new Uint8Array(3) }),
    /hidden positions are 3 numbers; the condition has 16/,
    "a wrong number",
  );
  captioner.dispose();
});

test("one seed draws the words from the same random numbers under every guidance", async (t, gpu) => {
  const captioner = build(gpu);
  const tokens = async (guidance: DenoiseOptions["guidance"]) =>
    tokensOf(await steps(captioner, picture, { ...(guidance ? { guidance } : {}), seed: 3 }));
  const plain = await tokens({ method: "none" });
  // With nothing masked both predictions are the same one, whatever the scale.
  for (const method of ["mcs", "mcs-printed"] as const) {
    for (const maskMode of ["fixed", "redrawn"] as const) {
      const same = await tokens({ method, scale: 3, maskRate: 0, maskMode });
      t.same(same, plain, `${method}, a mask ${maskMode} that hides nothing`);
    }
  }
  captioner.dispose();
});

test("given words stay, and the rest goes on from where it is told to", async (t, gpu) => {
  const captioner = build(gpu);
  const { vocabulary } = captioner.decoder.shape;
  const words = ["a", null, "cat", null, "[END]"];
  for (const step of await steps(captioner, picture, { words })) {
    t.same([step.words[0], step.words[2], step.words[4]], ["a", "cat", "[END]"], `at u = ${step.u}`);
    if (step.u === 0) t.ok(step.words[1] !== "[END]", "no end before the last word");
  }
  const tokens = [id("a"), vocabulary, id("hat"), 0, 0, 0];
  const again = await steps(captioner, picture, { from: { t: 4, tokens }, steps: 10 });
  t.same(
    again.map((step) => [step.t, step.u]),
    [
      [4, 3],
      [3, 2],
      [2, 1],
      [1, 0],
    ],
    "the steps from there",
  );
  for (const [options, message] of [
    [{ words: ["a", "cow"] }, /"cow" is not in the model's vocabulary/],
    [{ words: ["a cat"] }, /"a cat" at position 0 should be one word/],
    [{ words: new Array(7).fill(null) }, /7 words; this model's captions have 6/],
    [{ from: { t: 11, tokens } }, /step to go on from is 11; .* from 1 to 10/],
    [{ from: { t: 3, tokens: [1, 2] } }, /must be 6 ids from 0 to 11/],
    [{ from: { t: 3, tokens: [1, 2, 3, 4, 5, 12] } }, /must be 6 ids from 0 to 11/],
    [{ alternatives: 12 }, /12 alternatives are not possible/],
    [{ steps: 11 }, /11 steps is not possible/],
    [{ topR: 0 }, /Top-r is 0/],
  ] as const) {
    await t.throwsMessage(steps(captioner, picture, options), message, JSON.stringify(options));
  }
  captioner.dispose();
});

async function checkAbort(t: Check, gpu: Gpu, captioner: Captioner): Promise<void> {
  const controller = new AbortController();
  const seen: number[] = [];
  let caught: unknown;
  try {
    for await (const step of captioner.denoise(picture, { signal: controller.signal, attention: true })) {
      seen.push(step.u);
      if (seen.length === 2) controller.abort(new Error("enough"));
    }
  } catch (error) {
    caught = error;
  }
  t.equal((caught as Error).message, "enough", "the signal's reason is thrown");
  t.equal(seen.length, 2, "and no step follows");
  await t.throwsMessage(captioner.caption(picture, { signal: AbortSignal.abort() }), /abort/i, "at once");
  for await (const step of captioner.denoise(picture, { alternatives: 3 })) if (step.u < 7) break;
  await gpu.idle();
}

test("aborted, left early or refused, denoising gives back its memory", async (t, gpu) => {
  const captioner = build(gpu);
  await captioner.caption(picture, { guidance: { method: "none" } });
  await captioner.caption(picture);
  const before = gpu.memory.liveBytes;
  await checkAbort(t, gpu, captioner);
  await steps(captioner, picture, { attention: true, alternatives: 2, words: ["a"] });
  await steps(captioner, picture, { words: ["a", "cow"] }).catch(() => {});
  await steps(captioner, picture, { topR: 0 }).catch(() => {});
  await gpu.idle();
  t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  captioner.dispose();
});

test("a picture may come as bytes, as a texture or as a buffer, of any size", async (t, gpu) => {
  const captioner = build(gpu);
  const expected = [...(await captioner.encodeAll(picture.data))];
  const rgba = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let i = 0; i < side * side; i++) rgba.set(picture.data.subarray(i * 3, i * 3 + 3), i * 4);
  const buffer = gpu.device.createBuffer({
    size: rgba.length,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
  });
  gpu.device.queue.writeBuffer(buffer, 0, rgba);
  const texture = gpu.device.createTexture({
    size: [side, side],
    format: "rgba8unorm",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  gpu.device.queue.writeTexture({ texture }, rgba, { bytesPerRow: side * 4 }, [side, side]);
  const double = new Uint8Array(4 * side * side * 3);
  for (let i = 0; i < double.length; i++) {
    const [y, x] = [Math.floor(i / (side * 6)), Math.floor(i / 3) % (side * 2)];
    double[i] = picture.data[((y >> 1) * side + (x >> 1)) * 3 + (i % 3)]!;
  }
  for (const [name, source] of Object.entries({
    RGB: picture,
    RGBA: { width: side, height: side, data: rgba },
    "twice the size": { width: 2 * side, height: 2 * side, data: double },
    buffer: { width: side, height: side, buffer },
    texture,
  })) {
    const codes = await captioner.codes(source);
    t.same([...(await codes.read())], expected, `${name}: the codes of the batch path`);
    codes.dispose();
  }
  const codes = await captioner.codes(picture);
  const { buffer: result, offset, size } = codes.buffer;
  const staging = gpu.device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(result, offset, staging, 0, size);
  gpu.flush();
  gpu.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  t.same([...new Uint32Array(staging.getMappedRange())], expected, "the caller's own commands read them");
  const rebuilt = await captioner.reconstruct(codes);
  t.same(
    [rebuilt.width, rebuilt.height, rebuilt.data.length],
    [side, side, side * side * 4],
    "reconstructed",
  );
  t.same(
    [...rebuilt.data].filter((_, i) => i % 4 !== 3),
    [...(await captioner.reconstructAll(Uint32Array.from(expected)))],
    "as the batch path does",
  );
  for (const wrong of [
    [{ width: 4, height: 4, data: new Uint8Array(5) }, /4×4 needs 48 bytes as RGB or 64 as RGBA, not 5/],
    [{ width: 0, height: 4, data: new Uint8Array(0) }, /0×4: both must be whole numbers/],
    [{}, /Object is not a picture/],
    [null, /null is not a picture/],
    ["a.png", /a\.png is not a picture/],
  ] as const) {
    await t.throwsMessage(captioner.codes(wrong[0] as never), wrong[1], JSON.stringify(wrong[0]));
  }
  codes.dispose();
  staging.destroy();
  buffer.destroy();
  texture.destroy();
  captioner.dispose();
});
