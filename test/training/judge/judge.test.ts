/** Training of a judge: its batches, learning a few pictures by heart, going on to the same numbers, the steps for a time. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { artOf } from "../../../dist/data/scenes/art.js";
import { CaptionReader } from "../../../dist/data/scenes/caption-reader.js";
import { scenesDataset } from "../../../dist/data/scenes/dataset.js";
import { truthOf } from "../../../dist/data/scenes/truth.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { readWeights } from "../../../dist/engine/weights/weights.js";
import { firstOf, JUDGE_MEASURES, measureJudge } from "../../../dist/evaluation/judge/measures.js";
import { RunFolder } from "../../../dist/io/run-folder.js";
import { readJudge, saveJudge, tellOfJudge } from "../../../dist/models/judge/files.js";
import { Judge, JudgeEncoder } from "../../../dist/models/judge/judge.js";
import { JudgeModel } from "../../../dist/models/judge/model.js";
import { nodePlatform as platform } from "../../../dist/platform/node.js";
import { JudgeBatches, judgeVocabulary } from "../../../dist/training/judge/batches.js";
import { judgeShape, judgeStage } from "../../../dist/training/judge/judge-stage.js";
import { JudgePace } from "../../../dist/training/judge/pace.js";
import { type JudgeConfig, judgeConfig, resumedJudgeConfig } from "../../../dist/training/judge/settings.js";
import { runStage } from "../../../dist/training/loop.js";
import { type Check, test } from "../../harness.js";
import { sceneArt } from "../../support/scene-art.js";
import { silentProgress } from "../setup.js";

const art = artOf(sceneArt, 30);
const dataset = await scenesDataset(platform, art, { size: 32, trainingScenes: 8 });
const tokenizer = judgeVocabulary(dataset);

const small = [
  ...["data.imageSize=32", "data.things=30", "data.subset=8", "judge.batch=8", "judge.negatives=2"],
  ...["judge.channels=8", "judge.width=16", "judge.heads=2", "judge.imageLayers=1", "judge.textLayers=1"],
  ...["judge.features=16", "judge.resBlocks=0", "judge.warmup=5", "judge.learningRate=0.005"],
  ...["log.scored=100", "log.evaluateEvery=0", "log.checkpointEvery=0"],
];

function folder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "judge-"));
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

/** Trains from the start or goes on. Returns the weights, the losses and whether it ended. */
async function train(
  gpu: Gpu,
  path: string,
  config: JudgeConfig,
  resume: boolean,
  stopAfter = Number.POSITIVE_INFINITY,
) {
  const model = new JudgeModel(gpu, judgeShape(config, tokenizer.vocabularySize), { things: 30 });
  model.initialise(config.seed);
  const run = resume
    ? await RunFolder.open(platform.files, path)
    : await RunFolder.create(platform.files, path, JSON.parse(JSON.stringify(config)));
  const trainer = judgeStage({ model, dataset, tokenizer, config, run });
  let done = 0;
  const losses: number[] = [];
  const state = await runStage(trainer, {
    ...{ platform, run, seed: config.seed, log: config.log, progress: silentProgress(), resume },
    interrupted: () => done >= stopAfter,
    onStep: (entry) => {
      done++;
      losses.push(entry.losses.total!);
    },
  });
  const weights = await readWeights(model);
  trainer.dispose();
  return { state, losses, weights, model };
}

/** Different words that two texts share. */
function commonWords(a: string, b: string): number {
  const known = new Set(b.split(" "));
  return new Set(a.split(" ").filter((word) => known.has(word))).size;
}

test("batches: a caption of each picture, then captions that are false of it", (t) => {
  const batches = new JudgeBatches(dataset, { batch: 8, negatives: 3, seed: 1 });
  const reader = new CaptionReader(art.things);
  const { images, texts } = batches.at(5);
  t.same(
    [...images].sort(),
    dataset.splits.train!.map((record) => dataset.records[record]!.image),
    "an epoch",
  );
  t.equal(texts.length, 8 * 4, "texts");
  for (const [i, image] of images.entries()) {
    const { scene, captions } = dataset.captioned(image);
    t.ok(
      captions.some(({ text }) => text === texts[i]),
      "its own caption",
    );
    const lies = texts.slice(8 + 3 * i, 11 + 3 * i);
    t.equal(new Set(lies).size, 3, "different ones");
    for (const lie of lies) {
      const { named, namedRight, relation, count, place, ground, size, tone, gender } = truthOf(
        scene,
        reader,
        lie,
      );
      const isGroup = scene.arrangement.kind === "group";
      const isFalse =
        named !== namedRight || [relation, count, place, ground, size, tone, gender].includes(0);
      t.ok(isFalse || isGroup, `"${lie}" is false of "${texts[i]}"`);
      const alike = images.map((_, other) => commonWords(lie, texts[other]!));
      t.equal(Math.max(...alike), alike[i]!, `"${lie}" is made of "${texts[i]}"`);
    }
  }
  t.same(
    batches.at(5),
    new JudgeBatches(dataset, { batch: 8, negatives: 3, seed: 1 }).at(5),
    "the same again",
  );
  t.ok(batches.at(6).texts.join() !== texts.join(), "another batch is another one");
});

test("a judge learns eight pictures by heart", async (t, gpu) => {
  const { path, remove } = folder();
  const config = judgeConfig([...small, "judge.steps=120"]);
  const { losses, model, state } = await train(gpu, path, config, false);
  t.equal(state, "finished", "to the end");
  const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [first, last] = [mean(losses.slice(0, 5)), mean(losses.slice(-10))];
  t.ok(last < 0.6 * first, `loss ${first.toFixed(3)} fell to ${last.toFixed(3)}`);
  model.dispose();
  remove();
});

test("a run that is stopped goes on to the same weights", async (t, gpu) => {
  const [whole, cut] = [folder(), folder()];
  const config = judgeConfig([...small, "judge.steps=6"]);
  const once = await train(gpu, whole.path, config, false);
  const first = await train(gpu, cut.path, config, false, 3);
  t.equal(first.state, "interrupted", "stopped");
  first.model.dispose();
  const kept = (await RunFolder.open(platform.files, cut.path)).config;
  const second = await train(gpu, cut.path, resumedJudgeConfig(kept, []), true);
  t.equal(second.state, "finished", "to the end");
  for (const [name, { data }] of once.weights) t.same(second.weights.get(name)!.data, data, name);
  for (const { model } of [once, second]) model.dispose();
  for (const { remove } of [whole, cut]) remove();
});

test("a judge in a folder: float16 weights, words, what is told of it", async (t, gpu) => {
  const { path, remove } = folder();
  const config = judgeConfig(small);
  const model = new JudgeModel(gpu, judgeShape(config, tokenizer.vocabularySize), { things: 30 });
  model.initialise(2);
  await saveJudge(platform.files, path, {
    ...{ shape: model.shape, data: { things: 30 }, tokenizer, tensors: await readWeights(model) },
    about: { settings: JSON.parse(JSON.stringify(config)) },
  });
  await tellOfJudge(platform.files, path, { figures: { test: { relation: 1 } } });
  const stored = await readJudge(platform.files, path);
  t.same(Object.keys(stored.about).sort(), ["figures", "settings"], "told");
  t.ok(![...stored.tensors.keys()].some((name) => name.startsWith("naming")), "without the names");
  const judge = new Judge(gpu, stored);
  const texts = dataset.records.slice(0, 5).map(({ captions }) => captions[0]!);
  const wanted = await new JudgeEncoder(model, tokenizer).encodeTexts(texts);
  t.near(await judge.encodeTexts(texts), wanted, { abs: 3e-3 }, "the same features");
  const measures = await measureJudge(judge, dataset, { split: "test", limit: 100, draws: 20 });
  for (const name of JUDGE_MEASURES) {
    const { mean, low, high, pictures } = measures[name];
    t.ok(mean >= 0 && low <= mean && mean <= high && high <= 1, `${name}: ${mean} [${low}, ${high}]`);
    t.ok(pictures > 0 && pictures <= 100, `${name} of ${pictures} pictures`);
  }
  await platform.files.write(`${path}/judge.safetensors`, new Uint8Array(100));
  await t.throwsMessage(() => readJudge(platform.files, path), /judge\.safetensors is damaged/, "damaged");
  await t.throwsMessage(() => readJudge(platform.files, `${path}/none`), /holds no judge/, "no judge");
  judge.dispose();
  model.dispose();
  remove();
});

test("own caption first: ties with the same words do not count, groups are apart", (t) => {
  // Four pictures and captions on axes; the second caption is nearer to picture 0 than its own.
  const pictures = Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1);
  const texts = Float32Array.of(0.6, 0.8, 0, 1, 1, 0, 0, 1);
  const run = (captions: string[], among: number) => firstOf(pictures, texts, captions, among);
  t.same([...run(["a", "b", "c", "d"], 2).captionFirst], [1, 1, 1, 1], "groups of two");
  t.same(
    [...run(["a", "b", "c", "d"], 4).captionFirst],
    [0, 0, 1, 0],
    "of four: captions 1 and 3 are the same vector",
  );
  t.same([...run(["a", "b", "a", "b"], 4).captionFirst], [1, 1, 1, 1], "the same words count as own");
  t.same(
    [...run(["a", "b", "c"].concat("d"), 3).pictureFirst].map(Number.isNaN),
    [false, false, false, true],
    "no full group",
  );
  t.same([...run(["a", "b", "c", "d"], 2).pictureFirst], [0, 1, 1, 1], "caption 0 is nearer to picture 1");
});

test("steps for a time: what steps take, with what lies between them", (t: Check) => {
  const config = judgeConfig(["minutes=10"]);
  let time = 0;
  const pace = new JudgePace(config, () => time, 0);
  const changes: number[] = [];
  for (let step = 1; step <= 40; step++) {
    time += step <= 3 ? 10_000 : 1000;
    if (pace.after(step, 1000)) changes.push(step);
  }
  // 552 of the 600 seconds, 37 of them for the first ten steps.
  t.same(changes, [10], "once: the first steps do not count");
  t.equal(config.judge.steps, 10 + 552 - 37, "steps");
});

test("settings that do not go together are refused", async (t) => {
  for (const [set, message] of [
    ["data.imageSize=50", /cannot be halved judge\.downsample=3 times/],
    ["judge.heads=3", /judge\.width=128 over judge\.heads=3 should be a multiple of 4/],
    ["judge.batch=1", /judge\.batch should be a whole number from 2/],
    ["judge.stepps=1", /there is no key "judge\.stepps"/],
    ["data.subset=10", /judge\.batch=64 should be at most the data\.subset=10/],
  ] as const)
    await t.throwsMessage(() => judgeConfig([set]), message, set);
  const kept = JSON.parse(JSON.stringify(judgeConfig(["judge.width=64"])));
  t.equal(resumedJudgeConfig(kept, ["judge.steps=7"]).judge.width, 64, "kept");
  await t.throwsMessage(
    () => resumedJudgeConfig(kept, ["judge.width=32"]),
    /cannot be given with --resume/,
    "fixed",
  );
});
