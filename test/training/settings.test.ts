/** Every key of the configuration does something, and the optimisers follow their schedules. */

import type { Config } from "../../dist/config/config.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { readImages } from "../../dist/data/dataset.js";
import { test } from "../harness.js";
import { effects, elsewhere, testEffects } from "./effects.js";
import { decoderTraining, tinyConfig, vqvaeTraining } from "./setup.js";
import { toyContext, toyDataset } from "./toy.js";

test("every key of the configuration is in the list of effects", (t) => {
  const keys = Object.entries(resolveConfig()).flatMap(([section, values]) =>
    typeof values === "object" ? Object.keys(values).map((key) => `${section}.${key}`) : [section],
  );
  const listed = [...Object.keys(effects), ...Object.keys(elsewhere)];
  t.same(listed.sort(), keys.sort(), "each key once; add what a new one changes");
});

testEffects("data", "dataWithBadRow", "unsplit", "vqvae", "naming", "grounding", "captions", "log");

test("options of a call are the configuration's, and win over it", async (t, gpu) => {
  const dataset = toyDataset(24);
  const images = await readImages(dataset, [...dataset.records.keys()]);
  const base = ["sampling.guidance=mcs", "sampling.scale=3", "sampling.maskRate=0.5", "sampling.topR=0.9"];
  const plain = await toyContext(gpu, dataset, ...base);
  const without = JSON.stringify(await plain.captioner.captionAll(images));
  for (const [key, value] of [
    ["steps", 4],
    ["guidance", "cfg"],
    ["scale", 1.5],
    ["topR", 0.3],
    ["temperature", 0],
    ["last", "sample"],
    ["maskMode", "redrawn"],
    ["maskRate", 0.9],
    ["maskShape", "blocks"],
    ["allowUnknown", true],
    ["sampler", "confidence"],
    ["candidates", 3],
  ] as const) {
    const configured = await toyContext(gpu, dataset, ...base, `sampling.${key}=${value}`);
    const expected = await configured.captioner.captionAll(images);
    const ofGuidance = {
      ...{ guidance: "method", scale: "scale" },
      ...{ maskMode: "maskMode", maskRate: "maskRate", maskShape: "maskShape" },
    };
    const option =
      key in ofGuidance
        ? { guidance: { [ofGuidance[key as keyof typeof ofGuidance]]: value } }
        : { [key]: value };
    const given = await plain.captioner.captionAll(images, option);
    t.same(given, expected, `${key}: ${value} as an option says what it says in the configuration`);
    t.ok(JSON.stringify(given) !== without, "and something else than without it");
    configured.dispose();
  }
  plain.dispose();
});

test("learning rates follow a number of steps that a plan corrects", async (t, gpu) => {
  for (const [make, section] of [
    [decoderTraining, "decoder"],
    [vqvaeTraining, "vqvae"],
  ] as const) {
    const config = tinyConfig(
      ...["steps=9", "learningRate=0.01", "warmup=1", "learningRateDecay=linear"].map(
        (set) => `${section}.${set}`,
      ),
    );
    const tiny = make(gpu, config);
    const rates = [];
    for (let step = 1; step <= 5; step++) {
      rates.push((await tiny.training.step(step)).learningRate);
      if (step === 3) config[section].steps = 5;
    }
    t.near(rates, [0.01, 0.00875, 0.0075, 0.0025, 0], { abs: 1e-9 }, section);
    tiny.dispose();
  }
});

test("learning rates follow the configuration, step by step", async (t, gpu) => {
  const rates = async (
    make: typeof decoderTraining | typeof vqvaeTraining,
    config: Config,
    count: number,
  ) => {
    const tiny = make(gpu, config);
    const found = [];
    for (let step = 1; step <= count; step++) found.push((await tiny.training.step(step)).learningRate);
    tiny.dispose();
    return found;
  };
  const decoder = (...set: string[]) => tinyConfig("decoder.steps=7", "decoder.learningRate=0.01", ...set);
  t.near(
    await rates(
      decoderTraining,
      decoder("decoder.warmup=3", "decoder.warmupFrom=0.002", "decoder.learningRateDecay=linear"),
      7,
    ),
    [0.002, 0.006, 0.01, 0.0075, 0.005, 0.0025, 0],
    { abs: 1e-9 },
    "decoder: warm-up from warmupFrom to learningRate, then linear to 0 at the last step",
  );
  t.near(
    await rates(decoderTraining, decoder("decoder.warmup=0", "decoder.learningRateDecay=constant"), 3),
    [0.01, 0.01, 0.01],
    { abs: 1e-9 },
    "decoder: constant",
  );
  const cosine = (share: number) => 0.004 * 0.5 * (1 + Math.cos(Math.PI * share));
  t.near(
    (
      await rates(
        vqvaeTraining,
        tinyConfig(
          "vqvae.steps=6",
          "vqvae.learningRate=0.004",
          "vqvae.warmup=2",
          "vqvae.learningRateDecay=cosine",
        ),
        6,
      )
    ).slice(1),
    [0.004, cosine(0.25), cosine(0.5), cosine(0.75), 0],
    { abs: 1e-9 },
    "VQ-VAE: warm-up, then half a cosine to 0 at the last step",
  );
});

test("the VQ-VAE's loss has the configuration's error and commitment weight", async (t, gpu) => {
  const first = async (...set: string[]) => {
    const tiny = vqvaeTraining(gpu, tinyConfig(...set));
    const { losses } = await tiny.training.step(1);
    tiny.dispose();
    return losses as Record<"total" | "reconstruction" | "commitment", number>;
  };
  const [square, absolute, both] = [
    await first("vqvae.reconstruction=l2"),
    await first("vqvae.reconstruction=l1"),
    await first("vqvae.reconstruction=both"),
  ];
  t.near(
    [both.reconstruction],
    [square.reconstruction + absolute.reconstruction],
    { rel: 1e-5 },
    "both: the sum of mean square and mean absolute error",
  );
  t.ok(square.reconstruction !== absolute.reconstruction, "which are two numbers");
  t.near([both.total], [both.reconstruction + both.commitment], { rel: 1e-5 }, "the total is the sum");
  const [quarter, one, none] = [
    await first("vqvae.commitment=0.25"),
    await first("vqvae.commitment=1"),
    await first("vqvae.commitment=0"),
  ];
  t.near([one.commitment], [4 * quarter.commitment], { rel: 1e-5 }, "commitment is weighted by its key");
  t.ok(quarter.commitment > 0, "and is there");
  t.equal(none.commitment, 0, "unless the weight is 0");
});
