/** Algorithm 1 of the paper: what a step of training feeds to the network, what it costs, and how it moves the weights. */

import type { Module, Parameter } from "../../dist/engine/nn/module.js";
import { blockElements } from "../../dist/engine/nn/parameters.js";
import { noGrad } from "../../dist/engine/tensor/tape.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { readWeights } from "../../dist/engine/weights/weights.js";
import { Decoder } from "../../dist/models/mc-diffusion/decoder.js";
import type { DecoderTraining } from "../../dist/training/decoder-training.js";
import type { TokenizerTraining } from "../../dist/training/tokenizer-training.js";
import type { StepResult } from "../../dist/training/trainer.js";
import { type Check, test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";
import { type DecoderInputs, observeDecoder } from "./observed.js";
import { decoderShape, decoderTraining, pairs, tinyConfig, vqvaeTraining } from "./setup.js";

/** Narrow, so that a large batch is quick; a grid of 16 positions. */
const narrow = { dim: 8, heads: 2, conditionBlocks: 0, summaryTokens: 0, side: 4 };
const { vocabulary, length, codes: maskCode, timesteps } = decoderShape;
const positions = narrow.side ** 2;

/** What was drawn for each caption of a micro-batch. */
interface Drawn {
  t: number;
  /** Whether each token is [MASK]. */
  masked: boolean[];
  /** Whether each position of the condition is hidden. */
  hidden: boolean[];
}

const rows = <T>(all: ArrayLike<T>, width: number): T[][] =>
  Array.from({ length: all.length / width }, (_, i) =>
    Array.from({ length: width }, (_, j) => all[i * width + j]!),
  );

function drawn({ xt, t, y }: DecoderInputs): Drawn[] {
  const [tokens, codes] = [rows(xt, length), rows(y, positions)];
  return tokens.map((own, i) => ({
    t: t[i]!,
    masked: own.map((token) => token === vocabulary),
    hidden: codes[i]!.map((code) => code === maskCode),
  }));
}

const hiddenCount = ({ hidden }: Drawn) => hidden.filter(Boolean).length;

/** Whether two kinds of events go together: near 0, a standard normal number, if they are independent. */
class Correlation {
  private sum = 0;
  private variance = 0;

  /** Two events and the probability of each. */
  add(a: boolean, ofA: number, b: boolean, ofB: number): void {
    this.sum += ((a ? 1 : 0) - ofA) * ((b ? 1 : 0) - ofB);
    this.variance += ofA * (1 - ofA) * ofB * (1 - ofB);
  }

  get z(): number {
    return this.variance === 0 ? 0 : this.sum / Math.sqrt(this.variance);
  }
}

interface Rates {
  pCond: number;
  pMask: number;
  pDrop: number;
}

/** How much two lists of draws go together, thing by thing: far from 0 if they come from the same random numbers. */
function correlations(a: readonly Drawn[], b: readonly Drawn[], gamma: ArrayLike<number>, rates: Rates) {
  const late = new Correlation();
  const noise = new Correlation();
  const touched = new Correlation();
  const places = new Correlation();
  const { pCond, pMask, pDrop } = rates;
  const loses = 1 - (1 - pDrop) * (1 - pCond + pCond * (1 - pMask) ** positions);
  a.forEach((own, i) => {
    const other = b[i]!;
    late.add(own.t > timesteps / 2, 0.5, other.t > timesteps / 2, 0.5);
    own.masked.forEach((mask, j) => {
      noise.add(mask, gamma[own.t]!, other.masked[j]!, gamma[other.t]!);
    });
    const [n, m] = [hiddenCount(own), hiddenCount(other)];
    touched.add(n > 0, loses, m > 0, loses);
    own.hidden.forEach((hidden, j) => {
      places.add(hidden, n / positions, other.hidden[j]!, m / positions);
    });
  });
  return { t: late.z, noise: noise.z, P_cond: touched.z, P_mask: places.z };
}

test("a step draws t, x_t and the condition's mask as Algorithm 1 does, anew for each caption and step", async (t, gpu) => {
  const [steps, batch, microBatches] = [6, 256, 2];
  const rates = { pCond: 0.5, pMask: 0.4, pDrop: 0.1 };
  const config = tinyConfig(
    `decoder.batch=${batch}`,
    `decoder.microBatches=${microBatches}`,
    ...Object.entries(rates).map(([name, rate]) => `decoder.${name}=${rate}`),
  );
  const codesOf = (i: number) => Array.from({ length: positions }, (_, j) => (i * 7 + j) % maskCode);
  const tokens = (step: number) =>
    Array.from({ length: batch }, (_, i) => pairs[(i * 3 + step) % pairs.length]!.tokens);
  const conditions = Array.from({ length: batch }, (_, i) => codesOf(i));
  const tiny = decoderTraining(gpu, config, {
    shape: narrow,
    batches: (step) => ({
      tokens: Uint32Array.from(tokens(step).flat()),
      codes: Uint32Array.from(conditions.flat()),
    }),
  });
  const observed = observeDecoder(tiny.decoder, config.decoder);
  const process = new Process(tiny.schedule);

  const times = new Array<number>(timesteps).fill(0);
  /** [t][cell]: [MASK] last, else how far the token is from x_0, around the vocabulary. */
  const outcomes = Array.from({ length: timesteps }, () => new Array<number>(vocabulary + 1).fill(0));
  const groups: Drawn[][] = [];
  let wrongCodes = 0;
  for (let step = 1; step <= steps; step++) {
    await tiny.training.step(step);
    const inputs = await observed.read();
    const x0 = tokens(step - 1);
    inputs.forEach((part, p) => {
      const first = (p * batch) / microBatches;
      rows(part.xt, length).forEach((row, i) => {
        const time = part.t[i]! - 1;
        times[time]!++;
        row.forEach((token, j) => {
          const clean = x0[first + i]![j]!;
          const cell = token === vocabulary ? vocabulary : (token - clean + vocabulary) % vocabulary;
          outcomes[time]![cell]!++;
        });
      });
      rows(part.y, positions).forEach((row, i) => {
        row.forEach((code, j) => {
          if (code !== maskCode && code !== conditions[first + i]![j]!) wrongCodes++;
        });
      });
      groups.push(drawn(part));
    });
  }
  t.ok(
    chiSquareZ(
      times,
      times.map(() => 1 / timesteps),
    ) < 3.3,
    `t is uniform over 1 … T: ${times}`,
  );
  outcomes.forEach((counts, i) => {
    const exact = process.forward(0, i + 1).map((p) => (p < 1e-12 ? 0 : p));
    const z = chiSquareZ(counts, exact);
    t.ok(z < 3.3, `t = ${i + 1}: x_t follows q(x_t | x_0) (z = ${z.toFixed(2)}): ${counts}`);
  });

  t.equal(wrongCodes, 0, "what is left of a condition is its own codes, what is not is [MASK]");
  const all = groups.flat().map(hiddenCount);
  const share = (of: (count: number) => boolean) => all.filter(of).length / all.length;
  const { pCond, pMask, pDrop } = rates;
  const none = (1 - pMask) ** positions;
  const deviation = (p: number) => 4 * Math.sqrt((p * (1 - p)) / all.length);
  for (const [name, found, exact] of [
    ["P_drop: lose the whole condition", share((n) => n === positions), pDrop],
    ["P_cond: lose some of it", share((n) => n > 0 && n < positions), (1 - pDrop) * pCond * (1 - none)],
  ] as const) {
    t.near([found], [exact], { abs: deviation(exact) }, `${name} (4 standard deviations)`);
  }
  const some = all.filter((n) => n > 0 && n < positions);
  const mean = some.reduce((sum, n) => sum + n, 0) / some.length / positions;
  const spread = 4 * Math.sqrt((pMask * (1 - pMask)) / (positions * some.length));
  t.near([mean], [pMask / (1 - none)], { abs: spread }, "P_mask: of these, the share of the positions");

  const { gammaBar } = tiny.schedule;
  const worst: Record<string, number> = {};
  const compare = (a: readonly Drawn[], b: readonly Drawn[]) => {
    for (const [name, z] of Object.entries(correlations(a, b, gammaBar, rates)))
      worst[name] = Math.max(worst[name] ?? 0, Math.abs(z));
  };
  groups.forEach((group, i) => {
    for (const other of groups.slice(i + 1)) compare(group, other);
    compare(group, [...group.slice(1), group[0]!]);
  });
  // Largest of 78 standard normal numbers; the same random numbers twice give more than 7.
  for (const [name, z] of Object.entries(worst)) {
    t.ok(
      z < 4,
      `${name}: steps, micro-batches and captions have their own draws (largest z ${z.toFixed(2)})`,
    );
  }
  observed.dispose();
  tiny.dispose();
});

test("captions of one picture share its mask, and nothing else", async (t, gpu) => {
  const config = tinyConfig(
    "decoder.batch=128",
    "decoder.captionsPerImage=2",
    "decoder.pCond=1",
    "decoder.pMask=0.5",
    "decoder.pDrop=0",
  );
  const tiny = decoderTraining(gpu, config, {
    shape: narrow,
    batches: () => ({
      tokens: new Uint32Array(128 * length).fill(3),
      codes: new Uint32Array(64 * positions).fill(5),
    }),
  });
  const observed = observeDecoder(tiny.decoder, config.decoder);
  await tiny.training.step(1);
  const [{ xt, t: times, y }] = (await observed.read()) as [DecoderInputs];
  t.equal(y.length, 64 * positions, "a condition a picture");
  t.equal(new Set(rows(y, positions).map(String)).size, 64, "each with a mask of its own");
  const [late, noise] = [new Correlation(), new Correlation()];
  const { gammaBar } = tiny.schedule;
  const tokens = rows(xt, length);
  for (let i = 0; i < 128; i += 2) {
    const [own, other] = [times[i]!, times[i + 1]!];
    late.add(own > timesteps / 2, 0.5, other > timesteps / 2, 0.5);
    for (let j = 0; j < length; j++) {
      const [mask, otherMask] = [tokens[i]![j] === vocabulary, tokens[i + 1]![j] === vocabulary];
      noise.add(mask, gammaBar[own]!, otherMask, gammaBar[other]!);
    }
  }
  t.ok(Math.abs(late.z) < 4, `two captions of a picture have their own t (z ${late.z.toFixed(2)})`);
  t.ok(Math.abs(noise.z) < 4, `and their own noise (z ${noise.z.toFixed(2)})`);
  observed.dispose();
  tiny.dispose();
});

for (const adaptive of [true, false]) {
  test(`a step's losses are those of what it drew, in float64 (adaptive λ: ${adaptive})`, async (t, gpu) => {
    const batch = 48;
    const config = tinyConfig(
      `decoder.batch=${batch}`,
      "decoder.microBatches=3",
      "decoder.lambda=0.3",
      `decoder.adaptiveAuxiliary=${adaptive}`,
    );
    const tiny = decoderTraining(gpu, config);
    const observed = observeDecoder(tiny.decoder, config.decoder);
    const { losses } = await tiny.training.step(1);
    // A twin that has not moved.
    const twin = new Decoder(gpu, decoderShape);
    twin.initialise(config.seed);
    const process = new Process(tiny.schedule);
    const sums = { total: 0, kl: 0, auxiliary: 0 };
    let first = 0;
    for (const { xt, t: times, y } of await observed.read()) {
      const captions = times.length;
      const u32 = (data: Uint32Array, width: number) => fromArray(gpu, data, [captions, width], "u32");
      const scores = gpu.scope(() =>
        noGrad(() =>
          twin.forward(
            u32(xt, length),
            fromArray(gpu, times, [captions], "u32"),
            twin.prepare(u32(y, decoderShape.side ** 2)),
          ),
        ),
      );
      rows(await scores.read(), vocabulary).forEach((row, i) => {
        const [b, j] = [Math.floor(i / length), i % length];
        const x0 = pairs[((first + b) * 3) % pairs.length]!.tokens[j]!;
        const time = times[b]!;
        const likelihood = -Math.log(softmax(row)[x0]!);
        const kl = time === 1 ? likelihood : process.kl(row, x0, xt[i]!, time);
        const weight = config.decoder.lambda * (adaptive ? 2 - (time - 1) / timesteps : 1);
        sums.kl += kl;
        sums.auxiliary += likelihood;
        sums.total += kl + weight * likelihood;
      });
      scores.dispose();
      first += captions;
    }
    const expected = Object.values(sums).map((sum) => sum / (batch * length));
    const found = [losses.total!, losses.kl!, losses.auxiliary!];
    t.near(found, expected, { rel: 1e-4 }, "total, KL and auxiliary loss, means over all tokens");
    observed.dispose();
    twin.dispose();
    tiny.dispose();
  });
}

/** The moments of a checkpoint, all parameters in one. */
async function momentsOf(training: DecoderTraining | TokenizerTraining) {
  const { optimizer } = await training.save();
  const values = (name: string) => Float64Array.from(optimizer.get(name)!.data as Float32Array);
  return { first: values("firstMoment"), second: values("secondMoment") };
}

const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/** The first step's moments are (1 - β₁) g and (1 - β₂) g², g the clipped gradient. */
function checkMoments(
  t: Check,
  { first, second }: Awaited<ReturnType<typeof momentsOf>>,
  { gradNorm }: StepResult,
  [beta1, beta2]: readonly [number, number],
  clip: number,
): void {
  t.near(
    [norm(first)],
    [(1 - beta1) * (clip > 0 ? Math.min(gradNorm, clip) : gradNorm)],
    { rel: 1e-4 },
    `first moment: β₁ = ${beta1}, gradient of norm ${gradNorm.toFixed(3)} clipped to ${clip}`,
  );
  t.near(
    second,
    first.map((m) => (1 - beta2) * (m / (1 - beta1)) ** 2),
    { rel: 1e-4, abs: 1e-12 },
    `second moment: β₂ = ${beta2}`,
  );
}

test("AdamW has the configuration's β₁, β₂ and clipping; the VQ-VAE's are its own", async (t, gpu) => {
  for (const [beta1, beta2, clip] of [
    [0.9, 0.96, 0.05],
    [0.7, 0.5, 0],
    [0.5, 0.99, 1e6],
  ] as const) {
    const config = tinyConfig(`decoder.beta1=${beta1}`, `decoder.beta2=${beta2}`, `decoder.clip=${clip}`);
    const tiny = decoderTraining(gpu, config);
    const result = await tiny.training.step(1);
    t.ok(result.gradNorm > 0.05, "the gradient is longer than the shortest limit");
    checkMoments(t, await momentsOf(tiny.training), result, [beta1, beta2], clip);
    tiny.dispose();
  }
  const tiny = vqvaeTraining(gpu, tinyConfig());
  const result = await tiny.training.step(1);
  checkMoments(t, await momentsOf(tiny.training), result, [0.9, 0.99], 1);
  tiny.dispose();
});

/** All trained parameters as the optimiser packs them: each from a multiple of 64 elements on, 0 between. */
function packed(model: Module, of: (parameter: Parameter) => ArrayLike<number>): Float64Array {
  const parts = model.parameters().flatMap((parameter) => {
    if (!parameter.trained) return [];
    const part = new Float64Array(Math.ceil(parameter.tensor.size / blockElements) * blockElements);
    part.set(of(parameter));
    return [...part];
  });
  return Float64Array.from(parts);
}

async function packedWeights(model: Module): Promise<Float64Array> {
  const weights = await readWeights(model);
  return packed(model, ({ name }) => weights.get(name)!.data as Float32Array);
}

for (const [stage, make, [beta1, beta2], decay] of [
  ["decoder", decoderTraining, [0.7, 0.9], 0.5],
  ["vqvae", vqvaeTraining, [0.9, 0.99], 0],
] as const) {
  test(`${stage}: steps move the weights as AdamW does, by learning rate, moments and weight decay`, async (t, gpu) => {
    const set = [`decoder.beta1=${beta1}`, `decoder.beta2=${beta2}`, `decoder.weightDecay=${decay}`];
    const { training, model, dispose } = make(gpu, tinyConfig(...set, "decoder.warmup=0", "vqvae.warmup=1"));
    const decays = packed(model, ({ tensor, decay: own }) =>
      new Array<number>(tensor.size).fill(own ? decay : 0),
    );
    if (decay > 0) t.ok(decays.includes(0) && decays.includes(decay), "some weights decay, others do not");
    for (const step of [1, 2, 3]) {
      const before = await packedWeights(model);
      const { learningRate } = await training.step(step);
      t.ok(learningRate > 1e-4, `step ${step} has a learning rate: ${learningRate}`);
      const { first, second } = await momentsOf(training);
      const expected = before.map((weight, i) => {
        const mean = first[i]! / (1 - beta1 ** step);
        const size = Math.sqrt(second[i]! / (1 - beta2 ** step)) + 1e-8;
        return weight - learningRate * (mean / size + decays[i]! * weight);
      });
      t.near(await packedWeights(model), expected, { abs: 2e-6, rel: 1e-6 }, `step ${step}: all weights`);
    }
    dispose();
  });
}
