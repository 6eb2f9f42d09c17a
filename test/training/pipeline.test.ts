/**
 * The whole training of a captioner: its networks get random weights only where no checkpoint sets them. Fresh memory is NaN
 * here (`gpu/poison.ts`), so weights that nobody set would be seen.
 */

import { Captioner } from "../../dist/captioner/captioner.js";
import { saveTrained, trainCaptioner, type Watcher } from "../../dist/training/pipeline.js";
import type { StageContext } from "../../dist/training/trainer.js";
import { test } from "../harness.js";
import { silentProgress } from "./setup.js";
import { toyContext, toyDataset } from "./toy.js";

const settings = [
  "data.augment=0",
  "vqvae.steps=3",
  "decoder.steps=3",
  "vqvae.batch=2",
  "decoder.batch=2",
  "log.evaluateEvery=0",
  "log.sampleEvery=0",
  "log.checkpointEvery=1",
  "sampling.steps=2",
];

/** A captioner without weights for the run; `drawn` tells which networks have drawn random ones. */
function fresh(context: StageContext): { context: StageContext; drawn: string[] } {
  const { gpu, config, tokenizer } = context.captioner;
  const captioner = new Captioner(gpu, config, tokenizer, { initialise: false });
  const drawn: string[] = [];
  for (const name of ["imageTokenizer", "decoder"] as const) {
    const network = captioner[name];
    const initialise = network.initialise.bind(network);
    network.initialise = (seed) => {
      drawn.push(name);
      initialise(seed);
    };
  }
  return { context: { ...context, captioner }, drawn };
}

/** Stops after this many steps; 0 = never. */
function watcher(stopAfter = 0, onStep: Watcher["onStep"] = () => {}) {
  const losses: number[] = [];
  const watch: Watcher = {
    track: (_, body) => body(silentProgress()),
    interrupted: () => stopAfter > 0 && losses.length >= stopAfter,
    async onStep(entry, trainer) {
      losses.push(entry.losses.total!);
      await onStep?.(entry, trainer);
    },
  };
  return { watch, losses };
}

test("a run that goes on draws no random weights for networks with a checkpoint", async (t, gpu) => {
  const dataset = toyDataset(8);
  const whole = await toyContext(gpu, dataset, ...settings);
  const unbroken = watcher();
  await trainCaptioner(whole, unbroken.watch, { resume: false });
  t.equal(unbroken.losses.length, 6, "three steps of each stage");
  t.ok(unbroken.losses.every(Number.isFinite), "with losses that are numbers");

  const run = await toyContext(gpu, dataset, ...settings);
  const parts: { stopAfter: number; resume: boolean; drawn: string[]; message: string }[] = [
    {
      stopAfter: 2,
      resume: false,
      drawn: ["imageTokenizer"],
      message: "a new run, stopped in its first stage",
    },
    { stopAfter: 2, resume: true, drawn: ["decoder"], message: "going on, stopped in the second" },
    { stopAfter: 0, resume: true, drawn: [], message: "going on to the end" },
  ];
  const losses: number[] = [];
  for (const { stopAfter, resume, drawn, message } of parts) {
    const part = fresh(run);
    const { watch, losses: told } = watcher(stopAfter);
    await trainCaptioner(part.context, watch, { resume });
    losses.push(...told);
    t.same(part.drawn, drawn, message);
    part.context.captioner.dispose();
  }
  t.same(losses, unbroken.losses, "the steps are those of the unbroken run, to the bit");
  whole.dispose();
  run.dispose();
});

test("a captioner that is saved in its first stage has random weights in its decoder", async (t, gpu) => {
  const run = await toyContext(gpu, toyDataset(8), ...settings);
  const { context, drawn } = fresh(run);
  const { files } = context.platform;
  const { watch } = watcher(1, async (_, trainer) => {
    await trainer.withUsedWeights(() => saveTrained(context.captioner, files, "weights"));
  });
  await trainCaptioner(context, watch, { resume: false });
  t.same(drawn, ["imageTokenizer", "decoder"], "each once");
  const loaded = await Captioner.fromFolder(gpu, files, "weights");
  t.same(await loaded.decoder.parameters()[0]!.tensor.read(), await expected(run), "of the run's seed");
  loaded.dispose();
  context.captioner.dispose();
  run.dispose();
});

test("data that cannot ground words are refused before the first stage", async (t, gpu) => {
  const { referents: _, ...blind } = toyDataset(8);
  const grounded = [...settings, "decoder.grounding=1", "data.things=8", "data.augment=0"];
  const run = await toyContext(gpu, blind, ...grounded);
  let steps = 0;
  const { watch } = watcher(0, async () => void steps++);
  await t.throwsMessage(
    () => trainCaptioner(run, watch, { resume: false }),
    /decoder\.grounding needs data that tell what words are about, as scenes do; toy does not/,
    "in a sentence",
  );
  t.equal(steps, 0, "no step was taken");
  run.dispose();
});

/** The first parameter of the decoder that the run begins with, rounded as files are. */
async function expected({ captioner, platform }: StageContext): Promise<Float32Array> {
  await saveTrained(captioner, platform.files, "expected");
  const again = await Captioner.fromFolder(captioner.gpu, platform.files, "expected");
  const values = await again.decoder.parameters()[0]!.tensor.read();
  again.dispose();
  return values;
}
