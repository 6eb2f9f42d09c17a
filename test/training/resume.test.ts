import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutOfMemoryError } from "../../dist/engine/gpu/errors.js";
import { checkFinite } from "../../dist/engine/gpu/finite-check.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { type LogEntry, RunFolder } from "../../dist/io/run-folder.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform as platform } from "../../dist/platform/node.js";
import { latestCheckpoint } from "../../dist/training/checkpoint.js";
import { runStage, type StageOptions } from "../../dist/training/loop.js";
import { type Check, test } from "../harness.js";
import {
  decoderTraining,
  sameBits,
  silentProgress,
  stageOptions,
  type TrainingChanges,
  tinyConfig,
  vqvaeTraining,
  weightsOf,
} from "./setup.js";

const stages = { decoder: decoderTraining, vqvae: vqvaeTraining };
type Stage = keyof typeof stages;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mcd-test-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const settings = ["decoder.steps=8", "vqvae.steps=8", "decoder.dropout=0.1"];

/** Runs a stage in `path` with new objects, as a new process would. `stopAfter`: Ctrl-C during that step. */
async function train(
  gpu: Gpu,
  stage: Stage,
  path: string,
  {
    resume = false,
    stopAfter,
    set = [],
    changes = {},
    seed,
    evaluate = async () => {},
    nanAt,
    write,
    onStep,
  }: {
    resume?: boolean;
    stopAfter?: number;
    /** In this step the first trained weight is NaN; it is put back afterwards. */
    nanAt?: number;
    set?: string[];
    changes?: TrainingChanges;
    seed?: number;
    /** Called before each file of a checkpoint is written. */
    write?: (path: string) => Promise<void>;
    onStep?: (step: number) => Promise<void>;
    /** Called within each evaluation. */
    evaluate?: (stop: () => void, onBatch?: () => void) => Promise<void>;
  } = {},
) {
  const config = tinyConfig(...settings, ...set);
  const run = resume
    ? await RunFolder.open(platform.files, path)
    : await RunFolder.create(platform.files, path, {});
  const calls: string[] = [];
  /** The calls, and what the loop says that it does, in order. */
  const phases: string[] = [];
  const told: LogEntry[] = [];
  const samples: string[] = [];
  let interrupted = false;
  const tiny = stages[stage](gpu, config, { ...changes, shape: { dropout: 0.1, ...changes.shape } });
  const { trainer } = tiny;
  const step = trainer.step.bind(trainer);
  const progress = silentProgress();
  const { files } = platform;
  const watched = {
    ...files,
    write: async (file: string, data: Uint8Array | string) => {
      if (file.includes("checkpoints")) await write?.(file);
      await files.write(file, data);
    },
  };
  const options: StageOptions = {
    platform: { ...platform, files: watched },
    run,
    seed: seed ?? config.seed,
    log: config.log,
    progress,
    interrupted: () => interrupted,
    resume,
    onStep: async (entry) => {
      told.push(entry);
      await onStep?.(entry.step);
    },
    onSample: (written) => void samples.push(written),
    onPhase: (phase) => void phases.push(phase),
  };
  try {
    const outcome = await runStage(
      {
        ...trainer,
        async step(number) {
          if (number === stopAfter) interrupted = true;
          if (number !== nanAt) return step(number);
          const { tensor } = tiny.model.parameters().find(({ trained }) => trained)!;
          const values = await tensor.read();
          tensor.write(new Float32Array(values.length).fill(Number.NaN));
          const result = await step(number);
          tensor.write(values as Float32Array);
          return result;
        },
        evaluate: async (onBatch) => {
          calls.push("evaluate");
          phases.push("evaluate");
          await evaluate(() => {
            interrupted = true;
          }, onBatch);
          return { score: calls.length };
        },
        sample: async (number) => {
          calls.push(`sample ${number}`);
          phases.push(`sample ${number}`);
          return `sample of ${number}`;
        },
      },
      options,
    );
    return {
      outcome,
      weights: await weightsOf(tiny.model),
      saved: await trainer.save(),
      calls,
      phases,
      told,
      samples,
      progress,
      run,
    };
  } finally {
    tiny.dispose();
  }
}

/** What must repeat of a log: everything but the clock and the memory. */
function numbers(log: LogEntry[]) {
  return log.map(({ stage, step, losses, learningRate, gradNorm }) => ({
    stage,
    step,
    losses,
    learningRate,
    gradNorm,
  }));
}

function checkSame(
  t: Check,
  resumed: Awaited<ReturnType<typeof train>>,
  unbroken: Awaited<ReturnType<typeof train>>,
): void {
  t.equal(resumed.outcome, "finished", "it ends");
  t.ok(sameBits(resumed.weights, unbroken.weights), "the weights are the same, to the bit");
  for (const [name, { data }] of unbroken.saved.optimizer) {
    const again = resumed.saved.optimizer.get(name)!.data;
    t.ok(
      sameBits(again as Float32Array, data as Float32Array),
      `the optimiser's ${name} are the same, to the bit`,
    );
  }
}

for (const stage of Object.keys(stages) as Stage[]) {
  test(`${stage}: interrupted and resumed gives the numbers of an unbroken run`, (t, gpu) =>
    withFolder(async (folder) => {
      const unbroken = await train(gpu, stage, `${folder}/unbroken`);
      const expected = numbers(await unbroken.run.readLog());
      t.same(
        expected.map(({ step }) => step),
        [1, 2, 3, 4, 5, 6, 7, 8],
        "every step is in the log",
      );
      t.same(unbroken.told, await unbroken.run.readLog(), "and is told to whoever listens");
      t.same(unbroken.samples, ["sample of 8"], "as samples are");

      // Ctrl-C in step 4.
      const half = await train(gpu, stage, `${folder}/broken`, { stopAfter: 4 });
      t.equal(half.outcome, "interrupted", "it says that it was interrupted");
      const { checkpoint } = await latestCheckpoint(platform.files, half.run.checkpointFolder(stage));
      t.equal(checkpoint?.step, 4, "the last step done is saved");
      t.equal((await half.run.readLog()).length, 4, "and in the log");
      const resumed = await train(gpu, stage, `${folder}/broken`, { resume: true });
      t.ok(
        resumed.progress.lines.some((line) => /resumed at step 4/.test(line)),
        "it says where it goes on",
      );
      checkSame(t, resumed, unbroken);
      t.same(numbers(await resumed.run.readLog()), expected, "the log has the same numbers, each step once");

      // Killed after step 6 with the last checkpoint at 3: the steps since then are done again.
      const killed = await train(gpu, stage, `${folder}/killed`, {
        set: ["log.checkpointEvery=3"],
        changes: {},
        stopAfter: 6,
      });
      await platform.files.remove(`${killed.run.checkpointFolder(stage)}/step-000006`);
      const again = await train(gpu, stage, `${folder}/killed`, { resume: true });
      checkSame(t, again, unbroken);
      t.same(numbers(await again.run.readLog()), expected, "the steps done twice are in the log once");

      const finished = await train(gpu, stage, `${folder}/broken`, { resume: true });
      t.equal(finished.outcome, "finished", "a finished stage has nothing left to do");
      t.same(finished.calls, [], "and does nothing");
      t.ok(sameBits(finished.weights, unbroken.weights), "but has its weights");
    }));
}

test("what ends within a step's evaluation is made up for, and loses no step", (t, gpu) =>
  withFolder(async (folder) => {
    const set = ["log.evaluateEvery=4", "log.checkpointEvery=4", "log.sampleEvery=4"];
    const unbroken = await train(gpu, "decoder", `${folder}/unbroken`, { set });
    const expected = numbers(await unbroken.run.readLog());

    const path = `${folder}/killed`;
    await t.throwsMessage(
      train(gpu, "decoder", path, { set, evaluate: () => Promise.reject(new Error("killed")) }),
      /killed/,
      "a first evaluation that ends the process",
    );
    const { checkpoint } = await latestCheckpoint(platform.files, `${path}/checkpoints/decoder`);
    t.equal(checkpoint?.step, 4, "the step's checkpoint was written before it was measured");
    const resumed = await train(gpu, "decoder", path, { set, resume: true });
    checkSame(t, resumed, unbroken);
    t.same(resumed.calls, unbroken.calls, "measures and samples of that step are made now");
    const log = await resumed.run.readLog();
    t.same(numbers(log), expected, "the log is that of an unbroken run");
    t.same(
      log.filter(({ metrics }) => metrics).map(({ step }) => step),
      [4, 8],
      "with its measures",
    );

    const last = `${folder}/last`;
    let evaluations = 0;
    await t.throwsMessage(
      train(gpu, "decoder", last, {
        set,
        evaluate: async () => {
          if (++evaluations === 2) throw new Error("killed at the end");
        },
      }),
      /killed at the end/,
      "the last evaluation, too",
    );
    const ended = await train(gpu, "decoder", last, { set, resume: true });
    checkSame(t, ended, unbroken);
    t.same(
      ended.calls,
      ["evaluate", "sample 8"],
      "a resume after the last step has only its measures to make",
    );
    t.same(numbers(await ended.run.readLog()), expected, "and completes the log");

    const stopped = await train(gpu, "decoder", `${folder}/stopped`, { set, stopAfter: 4 });
    t.same(stopped.calls, [], "who asks to stop need not wait for an evaluation");
    const onward = await train(gpu, "decoder", `${folder}/stopped`, { set, resume: true });
    checkSame(t, onward, unbroken);
    t.same(onward.calls, unbroken.calls, "which the resumed run makes");

    const within = await train(gpu, "decoder", `${folder}/within`, { set, evaluate: async (stop) => stop() });
    t.equal(within.outcome, "interrupted", "asked to stop within an evaluation");
    const after = await train(gpu, "decoder", `${folder}/within`, { set, resume: true });
    checkSame(t, after, unbroken);
    t.same(numbers(await after.run.readLog()), expected, "and each step is in the log once");
  }));

test("who asks to stop within an evaluation waits for one batch", (t, gpu) =>
  withFolder(async (folder) => {
    const set = ["log.evaluateEvery=4", "log.checkpointEvery=0", "log.sampleEvery=4"];
    const unbroken = await train(gpu, "decoder", `${folder}/unbroken`, { set });
    for (const at of [4, 8]) {
      const path = `${folder}/stopped-${at}`;
      let batches = 0;
      const stopped = await train(gpu, "decoder", path, {
        set,
        evaluate: async (stop, onBatch) => {
          if (++batches * 4 !== at) return;
          onBatch!();
          stop();
          onBatch!();
          t.ok(false, "a second batch came after the first");
        },
      });
      t.equal(stopped.outcome, "interrupted", `in the evaluation of step ${at}`);
      const { checkpoint } = await latestCheckpoint(platform.files, stopped.run.checkpointFolder("decoder"));
      t.equal(checkpoint?.step, at, "the step is saved");
      const resumed = await train(gpu, "decoder", path, { set, resume: true });
      checkSame(t, resumed, unbroken);
      t.same(
        numbers(await resumed.run.readLog()),
        numbers(await unbroken.run.readLog()),
        "and measured later",
      );
    }
  }));

for (const stage of Object.keys(stages) as Stage[]) {
  test(`${stage}: a loss that is not a number leaves the checkpoint of the step before`, (t, gpu) =>
    withFolder(async (folder) => {
      const set = ["log.checkpointEvery=0", "decoder.importanceSampling=true", "log.evaluateEvery=2"];
      const stopped = await train(gpu, stage, `${folder}/stopped`, { set, stopAfter: 4 });
      await t.throwsMessage(
        train(gpu, stage, `${folder}/failed`, { set, nanAt: 5 }),
        /step 5: the loss is NaN/,
        "it ends with a sentence",
      );
      const [expected, saved] = await Promise.all(
        ["stopped", "failed"].map(async (name) => {
          const { checkpoint } = await latestCheckpoint(
            platform.files,
            `${folder}/${name}/checkpoints/${stage}`,
          );
          return checkpoint!;
        }),
      );
      t.equal(saved!.step, 4, "step 4 is saved");
      for (const part of ["model", "optimizer"] as const) {
        for (const [name, { data }] of expected![part]) {
          const same = sameBits(saved![part].get(name)!.data as Float32Array, data as Float32Array);
          t.ok(same, `${name} is as it was, to the bit`);
        }
      }
      const resumed = await train(gpu, stage, `${folder}/failed`, { set, resume: true });
      const onward = await train(gpu, stage, `${folder}/stopped`, { set, resume: true });
      checkSame(t, resumed, onward);
      t.equal(stopped.outcome, "interrupted", "as a run that was stopped there");
    }));
}

test("too little memory is told with the step and the settings to lower, and what was done is saved", (t, gpu) =>
  withFolder(async (folder) => {
    const set = ["log.checkpointEvery=0", "log.evaluateEvery=3"];
    const path = `${folder}/measured`;
    const refuse = async () => {
      throw new OutOfMemoryError("logits", 2 ** 30, "the device refused it", []);
    };
    await t.throwsMessage(
      train(gpu, "decoder", path, { set, evaluate: refuse }),
      /^decoder step 3: out of GPU memory: logits asked for 1.00 GiB; the device refused it; lower decoder\.batch$/,
      "in an evaluation",
    );
    const { checkpoint } = await latestCheckpoint(platform.files, `${path}/checkpoints/decoder`);
    t.equal(checkpoint?.step, 3, "the step is saved");
    const changes = { trainer: { step: refuse } };
    await t.throwsMessage(
      train(gpu, "vqvae", `${folder}/first`, { set, changes }),
      /^vqvae step 1: out of GPU memory: logits .*; lower vqvae\.batch$/,
      "in the first step",
    );
  }));

test("importance sampling goes on with its history", (t, gpu) =>
  withFolder(async (folder) => {
    // With T = 3 each step has its ten samples after a few batches: the draws then depend on the losses.
    const set = [
      "decoder.importanceSampling=true",
      "decoder.timesteps=3",
      "sampling.steps=3",
      "decoder.steps=22",
    ];
    const changes = { shape: { timesteps: 3 } };
    const unbroken = await train(gpu, "decoder", `${folder}/unbroken`, { set, changes });
    await train(gpu, "decoder", `${folder}/broken`, { set, changes, stopAfter: 15 });
    const resumed = await train(gpu, "decoder", `${folder}/broken`, { set, changes, resume: true });
    checkSame(t, resumed, unbroken);
    t.same(numbers(await resumed.run.readLog()), numbers(await unbroken.run.readLog()), "the same numbers");
    const uniform = await train(gpu, "decoder", `${folder}/uniform`, {
      set: [...set, "decoder.importanceSampling=false"],
      changes,
    });
    t.ok(!sameBits(uniform.weights, unbroken.weights), "which are not those of uniform steps");
    await train(gpu, "decoder", `${folder}/plain`, { set: set.slice(1), changes, stopAfter: 2 });
    await t.throwsMessage(
      train(gpu, "decoder", `${folder}/plain`, { set, changes, resume: true }),
      /no importanceHistory of [0-9]+ numbers; it was trained with other settings/,
      "a run without it cannot go on with it",
    );
  }));

test("what the loop does and when", (t, gpu) =>
  withFolder(async (folder) => {
    const set = [
      "log.evaluateEvery=3",
      "log.sampleEvery=4",
      "log.checkpointEvery=2",
      "log.keep=2",
      "log.every=100",
    ];
    const { calls, phases, run, progress } = await train(gpu, "decoder", folder, { set });
    t.same(
      calls,
      ["evaluate", "sample 4", "evaluate", "evaluate", "sample 8"],
      "evaluates and samples at their steps and at the end",
    );
    const measured = ["measures", "evaluate"];
    t.same(
      phases,
      [
        [...measured, "steps"],
        ["samples", "sample 4", "steps"],
        [...measured, "steps"],
        [...measured, "samples", "sample 8", "steps"],
      ].flat(),
      "and says so before, and when steps go on",
    );
    t.same(
      await platform.files.list(run.checkpointFolder("decoder")),
      ["step-000006", "step-000008"],
      "keeps the last two checkpoints",
    );
    const log = await run.readLog();
    t.same(
      log.filter(({ metrics }) => metrics).map(({ step, metrics }) => [step, metrics?.score]),
      [
        [3, 1],
        [6, 3],
        [8, 4],
      ],
      "the measures are in the log",
    );
    t.ok(
      log.every(
        ({ ms, perSecond, bytes, unit }) => ms > 0 && perSecond > 0 && bytes > 0 && unit === "images",
      ),
      "with times and memory",
    );
    t.ok(
      progress.lines.some((line) => /decoder 3\/8 .*loss|decoder 3\/8 .*held out: score 1/.test(line)),
      "and shown",
    );
  }));

test("steps go on while a checkpoint is written; measures, the next checkpoint and the end wait for it", (t, gpu) =>
  withFolder(async (folder) => {
    const events: string[] = [];
    let release = () => {};
    let held = false;
    const set = ["decoder.steps=12", "log.evaluateEvery=10", "log.sampleEvery=0", "log.checkpointEvery=4"];
    const { outcome, run } = await train(gpu, "decoder", folder, {
      set,
      write: (path) => {
        const [, step, file] = /step-0*(\d+)\/(\w+)/.exec(path)!;
        if (file !== "model") return Promise.resolve();
        events.push(`begin ${step}`);
        return new Promise((resolve) => {
          release = () => {
            if (events.includes(`end ${step}`)) return;
            events.push(`end ${step}`);
            resolve();
          };
          // The write of step 4 ends after the next step; if that step waits for the write, after ten seconds.
          held = step === "4";
          setTimeout(release, held ? 10_000 : 50);
        });
      },
      onStep: async (step) => {
        events.push(`step ${step}`);
        // Long enough for steps 6, 7 and 8; the checkpoint of step 8 waits for this one.
        if (held) setTimeout(release, 1000);
        held = false;
      },
      evaluate: async () => void events.push("evaluate"),
    });
    t.equal(outcome, "finished", "it ends");
    const at = (event: string) => events.indexOf(event);
    const story = events.join(", ");
    t.ok(
      events.slice(at("begin 4"), at("end 4")).some((event) => event.startsWith("step")),
      `a step ran meanwhile: ${story}`,
    );
    t.ok(at("end 4") < at("begin 8"), `one checkpoint at a time: ${story}`);
    t.ok(at("end 8") < at("evaluate"), `measures wait: ${story}`);
    t.ok(at("end 12") > 0, "and the end waits");
    const { checkpoint } = await latestCheckpoint(platform.files, run.checkpointFolder("decoder"));
    t.equal(checkpoint?.step, 12, "the last checkpoint is whole");
  }));

test("a checkpoint that cannot be written ends the run", (t, gpu) =>
  withFolder(async (folder) => {
    const full = new UserError("checkpoints: no space is left on the disk");
    let writes = 0;
    const set = ["log.checkpointEvery=2", "log.sampleEvery=0", "log.evaluateEvery=0"];
    const failing = train(gpu, "decoder", folder, {
      set,
      write: async (path) => {
        if (/step-0*4\b/.test(path) && ++writes > 0) throw full;
      },
    });
    await t.throwsMessage(failing, /^checkpoints: no space is left on the disk$/, "in its own sentence");
    t.ok(writes >= 1, "it was tried");
    const { checkpoint } = await latestCheckpoint(platform.files, join(folder, "checkpoints", "decoder"));
    t.ok(checkpoint !== null && checkpoint.step !== 4, `a whole one is there, of step ${checkpoint?.step}`);
  }));

test("stopped before the first step, started over without checkpoints", (t, gpu) =>
  withFolder(async (folder) => {
    const config = tinyConfig(...settings);
    const run = await RunFolder.create(platform.files, folder, {});
    const tiny = decoderTraining(gpu, config);
    const options = { ...stageOptions(platform, run, config), interrupted: () => true };
    t.equal(await runStage(tiny.trainer, options), "interrupted", "interrupted");
    t.equal(await platform.files.exists(run.checkpointFolder("decoder")), false, "nothing is saved");
    tiny.dispose();
    const { outcome, run: after } = await train(gpu, "decoder", folder, { resume: true });
    t.equal(outcome, "finished", "resuming starts at the beginning");
    t.equal((await after.readLog()).length, 8, "and does every step");
  }));

test("mistakes in resuming are told", (t, gpu) =>
  withFolder(async (folder) => {
    await train(gpu, "decoder", folder, { stopAfter: 2 });
    await t.throwsMessage(
      train(gpu, "decoder", folder, { resume: true, seed: 5 }),
      /step-000002 was trained with seed 1, not 5; resume with its own seed/,
      "another seed",
    );
    const config = tinyConfig(...settings);
    const other = decoderTraining(gpu, config, { shape: { dim: 16 } });
    const run = await RunFolder.open(platform.files, folder);
    const options = { ...stageOptions(platform, run, config), resume: true };
    await t.throwsMessage(
      runStage(other.trainer, options),
      /step-000002\/model\.safetensors: tokens is \[10, 32\], this model's is \[10, 16\]/,
      "another size",
    );
    other.dispose();
  }));

test("a loss that is not a number ends the run and says what may help", (t, gpu) =>
  withFolder(async (folder) => {
    const poison = async (finite: boolean, path: string) => {
      const config = tinyConfig(...settings);
      const run = await RunFolder.create(platform.files, path, {});
      checkFinite(gpu, finite);
      const tiny = decoderTraining(gpu, config);
      const step = tiny.trainer.step.bind(tiny.trainer);
      tiny.trainer.step = async (number) => {
        const bias = tiny.decoder.parameters().find(({ name }) => name === "head.bias")!;
        if (number === 3) bias.tensor.write(new Float32Array(bias.tensor.size).fill(Number.NaN));
        return step(number);
      };
      try {
        await runStage(tiny.trainer, stageOptions(platform, run, config));
        return { message: "nothing was thrown", log: [] };
      } catch (error) {
        return { message: (error as Error).message, log: await run.readLog() };
      } finally {
        checkFinite(gpu, false);
        tiny.dispose();
      }
    };
    const plain = await poison(false, `${folder}/plain`);
    t.ok(
      /decoder step 3: the loss is NaN; a lower decoder\.learningRate may help, and MCD_CHECK_FINITE=1 finds the kernel/.test(
        plain.message,
      ),
      plain.message,
    );
    t.same(
      plain.log.map(({ step, losses }) => [step, Number.isNaN(losses.total)]),
      [
        [1, false],
        [2, false],
        [3, true],
      ],
      "the log has the steps up to the bad one",
    );
    const named = await poison(true, `${folder}/named`);
    t.ok(/matmul.*(NaN|finite)/i.test(named.message), `the switch names the kernel: ${named.message}`);
  }));
