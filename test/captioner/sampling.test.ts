/** What joins the captioner and the sampler: whose caption is whose, which numbers are drawn, what guidance hides. */

import type { Captioner } from "../../dist/captioner/captioner.js";
import type { CaptionOptions } from "../../dist/captioner/options.js";
import { PushMeter } from "../../dist/diffusion/push.js";
import { embedding } from "../../dist/engine/ops/embedding.js";
import { mean } from "../../dist/engine/ops/reduce.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { softmax } from "../reference/diffusion.js";
import { build, decoderOf, pictures, tokenizer } from "../tiny-captioner.js";

const length = 6;
const vocabulary = tokenizer.vocabularySize;

/** Codes that are the same all over each picture: [n · S]. */
const flat = (captioner: Captioner, codes: readonly number[]) =>
  Uint32Array.from(codes.flatMap((code) => new Array<number>(captioner.positions).fill(code)));

/** Replaces the network: of a picture whose codes are all k it predicts p̃ = softmax of row k, whatever x_t is. */
function predictRows(captioner: Captioner, row: (code: number) => number[]): () => void {
  const { gpu } = captioner;
  const decoder = decoderOf(captioner);
  const { codes } = decoder.shape;
  const data = Array.from({ length: codes + 1 }, (_, code) => row(code)).flat();
  const table = fromArray(gpu, data, [codes + 1, length * vocabulary]);
  decoder.prepare = (ids) => {
    const predicted = gpu.scope(() => mean(embedding(table, ids), [1]));
    return { keyValues: [predicted], condition: null, pictures: ids.shape[0]! };
  };
  decoder.forward = (xt, _t, condition) =>
    condition.keyValues![0]!.reshape([xt.shape[0]!, length, vocabulary]) as Tensor;
  return () => table.dispose();
}

/** [L · M] logits with the given numbers at some tokens of each position, 0 elsewhere. */
const logitsOf = (at: (position: number) => Record<number, number>) =>
  Array.from({ length }, (_, position) => {
    const row = new Array<number>(vocabulary).fill(-30);
    for (const [token, value] of Object.entries(at(position))) row[Number(token)] = value;
    return row;
  }).flat();

test("captions come in the order of their pictures, within a batch of 64 and across", async (t, gpu) => {
  const captioner = build(gpu, "vqvae.codes=80");
  // Picture k says the digits of k, in words.
  const words = (code: number) => [2 + (code % 9), 2 + Math.floor(code / 9)];
  const release = predictRows(captioner, (code) =>
    logitsOf((position) => ({ [words(code)[position] ?? tokenizer.endId]: 0 })),
  );
  const order = Array.from({ length: 70 }, (_, i) => (i * 29 + 5) % 70);
  for (const guidance of ["none", "cfg"] as const) {
    const captions = await captioner.captionCodes(flat(captioner, order), { guidance, steps: 3 });
    t.same(
      captions.map(({ text }) => text),
      order.map((code) => tokenizer.decode(words(code))),
      `guidance ${guidance}: 70 captions`,
    );
    t.same(
      captions.map(({ tokens }) => tokens),
      order.map((code) => [...words(code), 0, 0, 0, 0]),
      "and their tokens",
    );
  }
  release();
  captioner.dispose();
});

test("bytes b go into the networks as b / 127.5 - 1 and come out as they went in", async (t, gpu) => {
  const captioner = build(gpu);
  const bytes = pictures(1).map((value, i) => (i < 256 ? i : value));
  const expected = Float64Array.from(bytes, (byte) => byte / 127.5 - 1);
  const tensor = captioner.imageTensor(bytes);
  t.near(await tensor.read(), expected, { abs: 1e-6 }, "many pictures at once");
  captioner.imageTokenizer.decode = () => tensor;
  t.same([...(await captioner.reconstructAll(new Uint32Array(captioner.positions)))], [...bytes], "and back");
  captioner.dispose();
});

test("the last step takes the most probable word, the steps before draw", async (t, gpu) => {
  const captioner = build(gpu);
  // 0.55 and 0.45.
  const release = predictRows(captioner, () => logitsOf(() => ({ 4: Math.log(0.55), 7: Math.log(0.45) })));
  const drawn: number[] = [];
  const captions = await captioner.captionCodes(flat(captioner, new Array(64).fill(1)), {
    guidance: "none",
    topR: 1,
    steps: 5,
    onStep: ({ t: u, tokens }) => {
      if (u > 0) drawn.push(...tokens);
    },
  });
  t.ok(
    captions.every(({ tokens }) => tokens.every((token) => token === 4)),
    "all 384 words of x_0 are the more probable one",
  );
  // Replacement alone draws each of the other words with a few percent.
  const [likelier, rarer] = [4, 7].map((word) => drawn.filter((token) => token === word).length);
  const share = rarer! / (likelier! + rarer!);
  t.ok(Math.abs(share - 0.45) < 0.06, `on the way ${rarer} of ${likelier! + rarer!} are the other word`);
  release();
  captioner.dispose();
});

/** x_u after the first step and at the end, picture by picture, for each batch of 64. */
async function chains(captioner: Captioner, options: CaptionOptions): Promise<string[]> {
  const count = 128;
  const first: string[] = [];
  const captions = await captioner.captionCodes(flat(captioner, new Array(count).fill(3)), {
    ...options,
    onStep: ({ t: u, tokens }) => {
      if (u !== 4) return;
      for (let i = 0; i < tokens.length; i += length) first.push(tokens.subarray(i, i + length).join());
    },
  });
  return captions.map(({ tokens }, i) => `${first[i]} → ${tokens}`);
}

test("every picture of every batch of 64 has its own random numbers", async (t, gpu) => {
  const captioner = build(gpu, "sampling.topR=1");
  for (const guidance of ["none", "mcs"] as const) {
    const all = await chains(captioner, { guidance, seed: 11, steps: 10 });
    const repeated = all.slice(0, 64).filter((chain, i) => chain === all[64 + i]).length;
    t.ok(repeated < 8, `guidance ${guidance}: the second batch repeats ${repeated} chains of the first`);
    const distinct = new Set(all).size;
    t.ok(distinct > 100, `${distinct} of 128 chains differ`);
    t.same(await chains(captioner, { guidance, seed: 11, steps: 10 }), all, "the seed repeats all of them");
  }
  captioner.dispose();
});

/** The conditions that the network was given: [N · S] each, in the order of the calls. */
async function conditions(captioner: Captioner, codes: Uint32Array, options: CaptionOptions) {
  const decoder = decoderOf(captioner);
  const { prepare } = decoder;
  const given: Tensor<"u32">[] = [];
  decoder.prepare = (ids, call) => {
    given.push(ids.alias().keep() as Tensor<"u32">);
    return prepare.call(decoder, ids, call);
  };
  await captioner.captionCodes(codes, { steps: 4, ...options });
  decoder.prepare = prepare;
  const read: Uint32Array[] = [];
  for (const tensor of given) {
    read.push(await tensor.read());
    tensor.dispose();
  }
  return read;
}

test("guidance hides what it should: nothing, all, or a share of the positions of each picture", async (t, gpu) => {
  const captioner = build(gpu);
  const { positions } = captioner;
  const mask = captioner.decoder.shape.codes;
  const codes = Uint32Array.from({ length: 60 * positions }, (_, i) => (i * 7) % mask);
  const [plain] = await conditions(captioner, codes, { guidance: "none" });
  t.same([...plain!], [...codes], "none: the codes themselves");

  const cfg = await conditions(captioner, codes, { guidance: { method: "cfg", scale: 2 } });
  t.equal(cfg.length, 1, "cfg: one condition for all steps");
  t.same([...cfg[0]!.subarray(0, codes.length)], [...codes], "the whole condition first");
  t.ok(
    cfg[0]!.length === 2 * codes.length && cfg[0]!.subarray(codes.length).every((code) => code === mask),
    "then one without any code",
  );

  for (const method of ["mcs", "mcs-printed"] as const) {
    for (const maskRate of [0.25, 0.6]) {
      const guidance = { method, scale: 3, maskRate };
      const [both, ...more] = await conditions(captioner, codes, { guidance });
      const name = `${method} ${maskRate}`;
      t.equal(more.length, 0, `${name}: one mask for all steps`);
      t.same([...both!.subarray(0, codes.length)], [...codes], `${name}: the whole condition first`);
      const partial = both!.subarray(codes.length);
      t.ok(
        partial.every((code, i) => code === mask || code === codes[i]),
        `${name}: then what is left of it`,
      );
      const share = partial.filter((code) => code === mask).length / partial.length;
      const deviation = Math.sqrt((maskRate * (1 - maskRate)) / partial.length);
      t.near([share], [maskRate], { abs: 4 * deviation }, `${name}: the share that is hidden`);
      const masks = Array.from({ length: 60 }, (_, i) =>
        Array.from(partial.subarray(i * positions, (i + 1) * positions), (code) => code === mask).join(),
      );
      t.ok(new Set(masks).size > 50, `${name}: each picture loses other positions`);
      const redrawn = await conditions(captioner, codes, {
        guidance: { ...guidance, maskMode: "redrawn" },
      });
      t.equal(new Set(redrawn.map(String)).size, 4, `${name}, redrawn: another mask at each of 4 steps`);
    }
  }
  captioner.dispose();
});

test("blocks hide one rectangle of each picture's grid", async (t, gpu) => {
  const captioner = build(gpu);
  const { positions } = captioner;
  const mask = captioner.decoder.shape.codes;
  const codes = Uint32Array.from({ length: 60 * positions }, (_, i) => (i * 7) % mask);
  const guidance = { method: "mcs", scale: 3, maskRate: 0.25, maskShape: "blocks" } as const;
  const [both] = await conditions(captioner, codes, { guidance });
  const side = Math.sqrt(positions);
  const rows = Array.from({ length: 60 }, (_, picture) => {
    const hidden = [
      ...both!
        .subarray(codes.length + picture * positions)
        .subarray(0, positions)
        .entries(),
    ]
      .filter(([, code]) => code === mask)
      .map(([i]) => [Math.floor(i / side), i % side] as const);
    const extent = (axis: 0 | 1) =>
      1 + Math.max(...hidden.map((at) => at[axis])) - Math.min(...hidden.map((at) => at[axis]));
    return `${hidden.length} codes in ${extent(0)} by ${extent(1)}`;
  });
  t.same([...new Set(rows)], ["4 codes in 2 by 2"], "a quarter of 16");
  captioner.dispose();
});

test("a watcher of many captions measures the push of guidance from the full condition's prediction", async (t, gpu) => {
  const captioner = build(gpu);
  const codes = await captioner.encodeAll(pictures(3));
  const measured = async (options: CaptionOptions, temperature = 1) => {
    const meter = new PushMeter(temperature);
    const read: Promise<[Float32Array, Float32Array]>[] = [];
    await captioner.captionCodes(codes, {
      ...options,
      ...{ steps: 3, temperature },
      watch: (scores, _tokens, _attention, logits) => {
        meter.add(logits!, scores);
        read.push(Promise.all([scores.read(), logits!.read()]));
      },
    });
    let [sum, rows] = [0, 0];
    for (const [scores, logits] of await Promise.all(read)) {
      for (let first = 0; first < scores.length; first += vocabulary, rows++) {
        const pushed = softmax(scores.subarray(first, first + vocabulary).map((x) => x / temperature));
        const full = softmax(logits.subarray(first, first + vocabulary));
        sum += pushed.reduce((kl, p, k) => (p === 0 ? kl : kl + p * Math.log(p / full[k]!)), 0);
      }
    }
    const mean = await meter.mean();
    meter.dispose();
    t.near([mean], [sum / rows], { abs: 1e-6, rel: 1e-4 }, `${rows} rows of ${JSON.stringify(options)}`);
    t.equal(rows, 3 * 3 * length, "of all steps and positions");
    return mean;
  };
  t.near([await measured({ guidance: "none" })], [0], { abs: 1e-6 }, "no guidance does not push");
  t.ok((await measured({ guidance: "none" }, 0.5)) > 1e-4, "a temperature does");
  const [two, four] = [
    await measured({ guidance: { method: "cfg", scale: 2 } }),
    await measured({ guidance: { method: "cfg", scale: 4 } }),
  ];
  t.ok(four > 2 * two && two > 0, "a larger scale pushes farther");
  captioner.dispose();
});
