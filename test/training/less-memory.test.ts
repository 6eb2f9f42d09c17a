/** The two ways to train with less memory: activation checkpointing and micro-batches. */

import type { KlResult } from "../../dist/diffusion/loss.js";
import { diffusionLoss } from "../../dist/diffusion/loss.js";
import type { CapturedWork, Gpu } from "../../dist/engine/gpu/gpu.js";
import { backward } from "../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import type { Decoder } from "../../dist/models/mc-diffusion/decoder.js";
import { DiffusionObjective, type Drawn } from "../../dist/models/mc-diffusion/objective.js";
import { test } from "../harness.js";
import { decoderTraining, tinyConfig, weightsOf } from "./setup.js";

/** Enough blocks for what they save to be most of the memory. */
const deep = { blocks: 6, dropout: 0.2 };

/** Keeps what is captured on a device from now on. */
function captures(gpu: Gpu): CapturedWork[] {
  const works: CapturedWork[] = [];
  const { capture } = gpu;
  gpu.capture = (body) => {
    const captured = capture.call(gpu, body) as ReturnType<typeof gpu.capture<ReturnType<typeof body>>>;
    works.push(captured.work);
    return captured;
  };
  return works;
}

test("activation checkpointing trains the same with less memory", async (t, gpu) => {
  const train = async (checkpointing: boolean) => {
    const config = tinyConfig("decoder.dropout=0.2", `decoder.checkpointing=${checkpointing}`);
    const works = captures(gpu);
    const tiny = decoderTraining(gpu, config, { shape: deep });
    const numbers = [];
    for (let step = 1; step <= 4; step++) {
      const { losses, gradNorm } = await tiny.training.step(step);
      numbers.push(...Object.values(losses), gradNorm);
    }
    const weights = await weightsOf(tiny.model);
    t.equal(works.length, 1, "the step is one capture");
    const { peakBytes } = works[0]!.memory;
    tiny.dispose();
    return { numbers, weights, peakBytes };
  };
  const kept = await train(false);
  const again = await train(true);
  // The gradients of what several blocks read are added up in another order.
  t.near(again.numbers, kept.numbers, { rel: 1e-4 }, "losses and gradient norms, dropout included");
  t.near(again.weights, kept.weights, { abs: 1e-3 }, "weights");
  t.ok(again.peakBytes < 0.6 * kept.peakBytes, `peak ${again.peakBytes} bytes instead of ${kept.peakBytes}`);
});

test("micro-batches give the whole batch's loss and gradient", async (t, gpu) => {
  const config = tinyConfig("decoder.batch=6", "decoder.microBatches=3");
  const { lambda, adaptiveAuxiliary: adaptive } = config.decoder;
  const seen: Drawn[] = [];
  class Watched extends DiffusionObjective {
    override lossOf(drawn: Drawn): KlResult {
      for (const name of ["xt", "t", "y"] as const) drawn[name].keep();
      seen.push(drawn);
      return super.lossOf(drawn);
    }
  }
  const tiny = decoderTraining(gpu, config, {
    objective: (decoder, settings, random) => new Watched(decoder, decoder.schedule, settings, random),
  });
  const { losses, gradNorm } = await tiny.training.step(1);
  t.equal(seen.length, 3, "three parts");

  // The same noise, all captions at once, on a decoder with the same initial weights.
  const whole = decoderTraining(gpu, config);
  const joined = async (name: "x0" | "xt" | "t" | "y", shape: number[]) => {
    const parts = await Promise.all(seen.map((drawn) => drawn[name].read()));
    return fromArray(gpu, Uint32Array.from(parts.flatMap((part) => [...part])), shape, "u32", name);
  };
  const all = {
    x0: await joined("x0", [6, 6]),
    xt: await joined("xt", [6, 6]),
    t: await joined("t", [6]),
    y: await joined("y", [6, 4]),
  };
  const decoder: Decoder = whole.decoder;
  const total = gpu.scope(() => {
    const head = decoder.beforeHead(all.xt, all.t, decoder.prepare(all.y));
    const table = whole.decoder.table(whole.schedule.visit(whole.schedule.steps));
    const result = diffusionLoss(table, { head, ...all }, { lambda, adaptive });
    backward(result.loss);
    return result.loss.detach().keep();
  });
  let squares = 0;
  for (const { tensor } of decoder.parameters()) {
    for (const value of (await tensor.grad?.read()) ?? []) squares += value * value;
  }
  t.near([losses.total!], [await total.item()], { rel: 1e-5 }, "the loss");
  t.near([gradNorm], [Math.sqrt(squares)], { rel: 1e-4 }, "the norm of the gradient");
  for (const { xt, t: times, y } of seen) for (const tensor of [xt, times, y]) tensor.dispose();
  for (const tensor of [...Object.values(all), total]) tensor.dispose();
  tiny.dispose();
  whole.dispose();
});
