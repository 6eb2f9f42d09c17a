/** Many settings and seeds at once: the captions of one setting and seed after the other, and the work that they share. */

import { captionSettings } from "../../dist/captioner/caption-settings.js";
import type { Captioner } from "../../dist/captioner/captioner.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { SamplingOptions } from "../../dist/models/sampling-settings.js";
import { operationsOf } from "../../dist/training/step-work.js";
import "../../dist/baselines.js";
import "../../dist/samplers.js";
import { test } from "../harness.js";
import { build, decoderOf } from "../tiny-captioner.js";

const codesOf = (captioner: Captioner, pictures: number) =>
  Uint32Array.from(
    { length: pictures * captioner.positions },
    (_, i) => (i * 7 + Math.floor(i / captioner.positions) * 5) % captioner.decoder.shape.codes,
  );

/** One setting and one seed after the other: `[setting][seed][picture]`. */
async function oneByOne(
  captioner: Captioner,
  codes: Uint32Array,
  settings: readonly SamplingOptions[],
  seeds: readonly number[],
): Promise<string[][][]> {
  const said: string[][][] = [];
  for (const options of settings) {
    const ofSetting: string[][] = [];
    for (const seed of seeds)
      ofSetting.push((await captioner.captionCodes(codes, { ...options, seed })).map(({ text }) => text));
    said.push(ofSetting);
  }
  return said;
}

const hidden = (captioner: Captioner) => Array.from({ length: captioner.positions }, (_, i) => i % 2);

const settingsFor = (captioner: Captioner): SamplingOptions[] => [
  { guidance: { method: "cfg", scale: 3 } },
  { guidance: "none", steps: 4, temperature: 0.8, topR: 1 },
  { guidance: { method: "mcs", scale: 3, maskRate: 0.5 } },
  { guidance: { method: "mcs-printed", scale: -1, maskRate: 0.5, maskMode: "redrawn" } },
  { guidance: { method: "mcs", scale: 4, hidden: hidden(captioner) }, last: "sample" },
  { guidance: { method: "cfg", scale: 2 }, candidates: 3 },
  { guidance: { method: "cfg", scale: 1 }, temperature: 0, allowUnknown: true },
];

test("many settings and seeds at once give the captions of one after the other", async (t, gpu) => {
  // 70 pictures: the numbers of the last six are those of a second batch.
  for (const schedule of ["vq-diffusion-paper", "absorbing", "uniform"]) {
    const captioner = build(gpu, `decoder.schedule=${schedule}`);
    const codes = codesOf(captioner, 70);
    const settings = settingsFor(captioner).slice(0, schedule === "vq-diffusion-paper" ? undefined : 3);
    const seeds = [3, 8];
    const said = await captionSettings(captioner, codes, { settings, seeds });
    const expected = await oneByOne(captioner, codes, settings, seeds);
    for (const [i, options] of settings.entries())
      t.same(said[i], expected[i], `${schedule}, ${JSON.stringify(options)}`);
    const distinct = new Set(expected.flat().map(String)).size;
    t.equal(
      distinct,
      settings.length * seeds.length,
      "and these differ from setting to setting and seed to seed",
    );
    captioner.dispose();
  }
});

test("many settings at once: one block, a summary of the condition, and float16 where there is", async (t, gpu) => {
  const variants = [
    ["decoder.blocks=1"],
    ["decoder.summaryTokens=2", "decoder.conditionBlocks=1"],
    ...(gpu.has("shader-f16") ? [["decoder.precision=float16"]] : []),
  ];
  for (const set of variants) {
    const captioner = build(gpu, ...set);
    const codes = codesOf(captioner, 9);
    const settings = settingsFor(captioner).slice(0, 4);
    const said = await captionSettings(captioner, codes, { settings, seeds: [1, 2] });
    t.same(said, await oneByOne(captioner, codes, settings, [1, 2]), set.join(" "));
    captioner.dispose();
  }
});

test("many settings at once: other samplers, and other decoders", async (t, gpu) => {
  for (const [set, options] of [
    [[], { sampler: "confidence", guidance: "cfg" }],
    [["model=transformer"], { temperature: 1 }],
    [["model=bit-diffusion"], { guidance: "none" }],
  ] as const) {
    const captioner = build(gpu, ...set);
    const codes = codesOf(captioner, 3);
    const settings: SamplingOptions[] = [options];
    const done: number[] = [];
    const said = await captionSettings(captioner, codes, {
      settings,
      seeds: [1, 2],
      onBatch: (n) => done.push(n),
    });
    t.same(said, await oneByOne(captioner, codes, settings, [1, 2]), JSON.stringify([set, options]));
    t.equal(done.at(-1), 6, "progress ends at all captions");
    captioner.dispose();
  }
});

test("a caption depends on its picture's place, setting and seed, not on what is captioned beside it", async (t, gpu) => {
  const captioner = build(gpu);
  const codes = codesOf(captioner, 67);
  const [cfg, none] = settingsFor(captioner) as [SamplingOptions, SamplingOptions];
  const [all] = await captionSettings(captioner, codes, { settings: [cfg, none], seeds: [5, 6, 7] });
  const [alone] = await captionSettings(captioner, codes, { settings: [cfg], seeds: [7] });
  t.same(alone![0], all![2], "the third of three seeds, alone");
  const some = codes.subarray(0, 65 * captioner.positions);
  const [fewer] = await captionSettings(captioner, some, { settings: [cfg], seeds: [6] });
  t.same(fewer![0], all![1]!.slice(0, 65), "fewer pictures");
  captioner.dispose();
});

/** Operations of products and attention, and the conditions prepared, while `body` runs. */
async function workOf(gpu: Gpu, captioner: Captioner, body: () => Promise<unknown>) {
  const decoder = decoderOf(captioner);
  const { prepare } = decoder;
  const prepared: number[] = [];
  let operations = 0;
  decoder.prepare = (ids, call) => {
    prepared.push(ids.shape[0]!);
    return prepare.call(decoder, ids, call);
  };
  gpu.observer = {
    dispatch(dispatch, uniforms) {
      operations += operationsOf(dispatch, uniforms);
    },
  };
  await body();
  gpu.observer = null;
  decoder.prepare = prepare;
  return { prepared, operations };
}

test("conditions are prepared once for all settings and seeds, and steps compute what they change", async (t, gpu) => {
  const captioner = build(gpu, "decoder.timesteps=40");
  const codes = codesOf(captioner, 20);
  const settings: SamplingOptions[] = [
    { guidance: { method: "cfg", scale: 2 }, steps: 20 },
    { guidance: { method: "cfg", scale: 3 }, steps: 20 },
  ];
  const seeds = [1, 2, 3];
  const now = await workOf(gpu, captioner, () => captionSettings(captioner, codes, { settings, seeds }));
  const before = await workOf(gpu, captioner, () => oneByOne(captioner, codes, settings, seeds));
  t.same(now.prepared, [20, 1], "the pictures, and one condition without any code");
  t.equal(before.prepared.length, 6, "six times, one after the other");
  const share = now.operations / before.operations;
  t.ok(share < 0.6, `${share.toFixed(2)} of the operations`);

  const mcs: SamplingOptions[] = [{ guidance: { method: "mcs", scale: 2 }, steps: 20 }];
  const partial = await workOf(gpu, captioner, () =>
    captionSettings(captioner, codes, { settings: mcs, seeds }),
  );
  t.same(partial.prepared, [20, 60], "mcs: each caption has a mask of its own, for all steps");
  captioner.dispose();
});

test("many settings at once give their memory back", async (t, gpu) => {
  const captioner = build(gpu);
  const codes = codesOf(captioner, 5);
  const run = () => captionSettings(captioner, codes, { settings: settingsFor(captioner), seeds: [1, 2] });
  await run();
  const before = gpu.memory.liveBytes;
  await run();
  t.equal(gpu.memory.liveBytes, before, "no more than before");
  captioner.dispose();
});
