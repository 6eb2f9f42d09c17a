import { transitionTable } from "../../../dist/diffusion/coefficients.js";
import { diffusionLoss, klLoss } from "../../../dist/diffusion/loss.js";
import { Schedule } from "../../../dist/diffusion/schedule.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { backward, checkpoint } from "../../../dist/engine/tensor/autograd.js";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { Decoder } from "../../../dist/models/mc-diffusion/decoder.js";
import type { CrossAttentionWatcher } from "../../../dist/models/mc-diffusion/decoder-block.js";
import type { DecoderShape } from "../../../dist/models/mc-diffusion/decoder-shape.js";
import { float16Test, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/decoder.js";
import { Process, softmax } from "../../reference/diffusion.js";

const shape: DecoderShape = {
  vocabulary: 7,
  length: 5,
  codes: 6,
  side: 3,
  timesteps: 10,
  dim: 12,
  heads: 3,
  blocks: 2,
  mlpRatio: 1.5,
  conditionBlocks: 0,
  summaryTokens: 0,
  dropout: 0,
  codeDim: null,
  filler: "learned",
};
const codeDim = 5;
const batch = 3;
/** [MASK] is 7 among the tokens and 6 among the codes; t = 1 is the loss's special case. */
const x0 = [1, 2, 0, 0, 0, 3, 4, 5, 6, 0, 2, 2, 1, 0, 0];
const xt = [1, 7, 0, 7, 5, 7, 7, 7, 7, 7, 2, 2, 7, 0, 0];
const t = [4, 10, 1];
const codes = [0, 1, 2, 3, 4, 5, 0, 1, 2, 6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 6, 4, 6, 3, 6, 2, 1, 6];
/** As many for grids of 5 × 5. */
const codesOf = (side: number) =>
  side === shape.side
    ? codes
    : Array.from(randomArray(5, batch * side ** 2, 1000), (value) => Math.abs(Math.floor(value)) % 7);
const lambda = 0.3;

type BlockForward = (
  x: Tensor,
  selfModulation: Tensor,
  crossModulation: Tensor,
  condition: Tensor,
  random: Rng | null,
  watch?: CrossAttentionWatcher,
) => Tensor;

/** What is inside, for tests of the parts. */
function inside(decoder: Decoder) {
  return decoder as unknown as {
    condition(codes: Tensor<"u32">): Tensor;
    blocks: { forward: BlockForward }[];
  };
}

function inputs(gpu: Gpu, side = shape.side) {
  return {
    x0: fromArray(gpu, x0, [batch, shape.length], "u32", "x0"),
    xt: fromArray(gpu, xt, [batch, shape.length], "u32", "xt"),
    t: fromArray(gpu, t, [batch], "u32", "t"),
    codes: fromArray(gpu, codesOf(side), [batch, side ** 2], "u32", "codes"),
  };
}

/** A decoder with random numbers in every parameter (also where training starts from 0 or 1), and the same for the reference. */
function build(gpu: Gpu, changes: Partial<DecoderShape>) {
  const full = { ...shape, ...changes };
  const vectorValues = randomArray(77, full.codes * codeDim, 0.7);
  const vectors = full.codeDim ? fromArray(gpu, vectorValues, [full.codes, codeDim]) : null;
  const decoder = new Decoder(gpu, full, vectors);
  const weights = new Map<string, Float64Array>();
  decoder.parameters().forEach(({ name, tensor }, i) => {
    const matrix = tensor.shape.length >= 2 && !/tokens|positions|code|table|bias/.test(name);
    const drawn = randomArray(1000 + i, tensor.size, matrix ? 1.2 / Math.sqrt(tensor.shape.at(-2)!) : 0.5);
    const values =
      tensor.dtype === "f16"
        ? Float64Array.from(float16ToFloat32(float32ToFloat16(Float32Array.from(drawn))))
        : drawn;
    weights.set(name, values);
    tensor.write(values);
  });
  return { decoder, weights, vectorValues: vectors ? vectorValues : undefined, vectors };
}

/** Mean over tokens of KL (t = 1: -log p) + λ (2 - (t-1)/T) (-log p(x0)), from explicit matrices. */
function referenceLoss(process: Process, logits: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < x0.length; row++) {
    const time = t[Math.floor(row / shape.length)]!;
    const own = logits.subarray(row * shape.vocabulary, (row + 1) * shape.vocabulary);
    sum += process.kl(own, x0[row]!, xt[row]!, time);
    sum -= lambda * (2 - (time - 1) / shape.timesteps) * Math.log(softmax(own)[x0[row]!]!);
  }
  return sum / x0.length;
}

for (const [title, changes] of [
  ["codes by index, learned filler", {}],
  ["codes by index, zeros as filler", { filler: "zeros" }],
  ["code vectors, learned filler", { codeDim }],
  [
    "code vectors, zeros as filler, one head, three blocks",
    { codeDim, filler: "zeros", heads: 1, blocks: 3 },
  ],
  ["two blocks over the condition", { codeDim, conditionBlocks: 2 }],
  ["three convolutions over the condition", { codeDim, conditionConvs: 3 }],
  [
    "convolutions of 5 × 5 codes, a block and a summary",
    { side: 5, dim: 24, conditionConvs: 2, conditionBlocks: 1, summaryTokens: 2 },
  ],
  ["a summary of the condition in three entries", { codeDim, summaryTokens: 3 }],
  ["CLIP's table of tokens, frozen", { tokenEmbedding: "clip" }],
  ["a table of tokens tied with the head", { tokenEmbedding: "tied" }],
  [
    "a vector for each place of the codes, sinusoids of the time",
    { codePositions: "each", timeEmbedding: "sinusoidal" },
  ],
  ["waves of the places beside the codes", { codePositions: "waves" }],
  [
    "waves of the places after convolutions, before a summary",
    { codeDim, codePositions: "waves", conditionConvs: 2, summaryTokens: 2, filler: "zeros" },
  ],
  ["a tied table in float16", { tokenEmbedding: "tied", precision: "f16" }],
  ["float16", { codeDim, conditionBlocks: 1, precision: "f16" }],
  ["float16 and a convolution", { codeDim, conditionConvs: 1, precision: "f16" }],
] as [string, Partial<DecoderShape>][]) {
  // The reference has the same float16 weights. What the layers hand on to each other is rounded by 2⁻¹¹ at most, in each of
  // three blocks about seven times, and errors are as likely up as down; those of a gradient are in proportion to its largest.
  const half = changes.precision === "f16";
  const roundings = Math.sqrt(3 * 7) * 2 ** -11;
  const tolerance = half
    ? {
        logits: { abs: 2 * roundings },
        loss: { rel: roundings },
        gradient: { rel: 0, ofLargest: 2 * roundings },
      }
    : { logits: { abs: 2e-5, rel: 2e-5 }, loss: { rel: 1e-5 }, gradient: { rel: 2e-4, ofLargest: 0 } };
  const declare = half ? float16Test : test;
  declare(`the decoder and its loss against float64: ${title}`, async (check, gpu) => {
    const { decoder, weights, vectorValues, vectors } = build(gpu, changes);
    const size = decoder.shape;
    const given = inputs(gpu, size.side);
    const own = codesOf(size.side);
    const process = new Process(new Schedule({ tokens: size.vocabulary, steps: size.timesteps }));
    const table = transitionTable(gpu, process.schedule);

    const seen = gpu.scope(() => noGrad(() => inside(decoder).condition(given.codes)));
    check.near(
      await seen.read(),
      reference.condition(weights, size, own, vectorValues),
      { abs: 1e-6, rel: 1e-6 },
      "what it sees of the picture",
    );
    seen.dispose();

    const types = new Set<string>();
    const { logits, loss } = gpu.scope(() => {
      const watch: CrossAttentionWatcher = (query, keyValue) =>
        void types.add(query.dtype).add(keyValue.dtype);
      const logits = noGrad(() =>
        decoder.forward(given.xt, given.t, decoder.prepare(given.codes), { watch }),
      );
      const head = decoder.beforeHead(given.xt, given.t, decoder.prepare(given.codes));
      const { loss } = diffusionLoss(table, { ...given, head }, { lambda, adaptive: true });
      backward(loss);
      return { logits, loss: loss.detach() };
    });
    const forward = (changed: reference.Weights) =>
      reference.decoder(changed, size, xt, t, own, vectorValues);
    check.same([...types], [size.precision ?? "f32"], "storage of queries, keys and values");
    check.near(await logits.read(), forward(weights), tolerance.logits, "logits");
    const expected = referenceLoss(process, forward(weights));
    check.near(await loss.read(), [expected], tolerance.loss, "loss");
    logits.dispose();
    loss.dispose();

    // Three elements of every parameter: the largest gradient, the first and one in the middle.
    const { rel, ofLargest } = tolerance.gradient;
    for (const { name, tensor, trained } of decoder.parameters()) {
      if (!trained) {
        check.equal(tensor.grad, null, `${name} is frozen: no gradient`);
        continue;
      }
      const gradient = await tensor.grad!.read();
      const values = weights.get(name)!;
      const largest = gradient.reduce(
        (best, x, i) => (Math.abs(x) > Math.abs(gradient[best]!) ? i : best),
        0,
      );
      const chosen = [...new Set([largest, 0, Math.floor(values.length / 2)])];
      const differences = chosen.map((at) => {
        const moved = (by: number) => {
          const changed = values.slice();
          changed[at]! += by;
          return referenceLoss(process, forward(new Map([...weights, [name, changed]])));
        };
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      check.near(
        chosen.map((at) => gradient[at]!),
        differences,
        { abs: 2e-6 + ofLargest * Math.abs(gradient[largest]!), rel },
        `gradient of ${name}`,
      );
      // (Of the largest only: the keys' biases shift all scores of a query alike, and unused rows have no part.)
      check.ok(Math.abs(gradient[largest]!) > 1e-6, `${name} takes part`);
    }
    decoder.dispose();
    table.dispose();
    vectors?.dispose();
    for (const tensor of Object.values(given)) tensor.dispose();
  });
}

test("a masked position without filler is exactly nothing", async (check, gpu) => {
  for (const changes of [{ filler: "zeros" }, { filler: "zeros", codeDim }] as Partial<DecoderShape>[]) {
    const { decoder, vectors } = build(gpu, changes);
    const { codes: ids, ...others } = inputs(gpu);
    const seen = gpu.scope(() => noGrad(() => inside(decoder).condition(ids)));
    const values = await seen.read();
    let masked = 0;
    let known = 0;
    codes.forEach((code, n) => {
      const row = values.subarray(n * shape.dim, (n + 1) * shape.dim);
      if (code === shape.codes) masked += row.every((value) => value === 0) ? 0 : 1;
      else known += row.every((value) => value === 0) ? 1 : 0;
    });
    check.equal(masked, 0, "masked rows are zeros, to the bit");
    check.equal(known, 0, "and only those");
    for (const tensor of [seen, ids, vectors, ...Object.values(others)]) tensor?.dispose();
    decoder.dispose();
  }
});

test("checkpointed blocks give the same gradients, with dropout too", async (check, gpu) => {
  for (const dropout of [0, 0.3]) {
    const { decoder } = build(gpu, { dropout });
    const given = inputs(gpu);
    const random = new Rng(gpu, 5);
    const gradients = async () => {
      random.setStep(1);
      gpu.scope(() => {
        const logits = decoder.forward(given.xt, given.t, decoder.prepare(given.codes), { random });
        backward(klLossOf(logits));
      });
      const all = new Map<string, Float32Array>();
      for (const { name, tensor } of decoder.parameters()) {
        all.set(name, await tensor.grad!.read());
        tensor.gradIsCurrent = false;
      }
      return all;
    };
    const schedule = new Schedule({ tokens: shape.vocabulary, steps: shape.timesteps });
    const table = transitionTable(gpu, schedule);
    const klLossOf = (logits: Tensor) =>
      klLoss({ logits, x0: given.x0, xt: given.xt, t: given.t, coefficients: table.coefficients }, { lambda })
        .loss;
    const expected = await gradients();
    for (const block of inside(decoder).blocks) {
      const forward = block.forward.bind(block);
      block.forward = (x, self, cross, condition, rng, watch) =>
        checkpoint(
          (...tensors) => {
            const [a, b, c, d] = tensors as [Tensor, Tensor, Tensor, Tensor];
            return forward(a, b, c, d, rng, watch);
          },
          [x, self, cross, condition],
          random,
        );
    }
    const actual = await gradients();
    let different = 0;
    for (const [name, values] of expected) {
      const again = actual.get(name)!;
      const scale = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      if (!again.every((x, i) => Math.abs(x - values[i]!) <= 1e-6 * scale)) different++;
      check.ok(scale > 0, `${name} has a gradient`);
    }
    check.equal(different, 0, `all gradients agree to a millionth of their largest (dropout ${dropout})`);
    random.dispose();
    decoder.dispose();
    table.dispose();
    for (const tensor of Object.values(given)) tensor.dispose();
  }
});

test("inputs of a wrong shape are named", async (check, gpu) => {
  const { decoder } = build(gpu, {});
  const { xt: tokens, t: times, codes: ids, x0: clean } = inputs(gpu);
  await check.throwsMessage(
    () => decoder.forward(tokens, times, decoder.prepare(tokens)),
    /codes \[3, 5\] do not fit \[P, 9\]/,
    "codes",
  );
  await check.throwsMessage(
    () => new Decoder(gpu, { ...shape, heads: 5 }),
    /12 is not a multiple of 5/,
    "heads",
  );
  await check.throwsMessage(
    () => new Decoder(gpu, { ...shape, codeDim }),
    /code vectors must be \[6, 5\]/,
    "code vectors",
  );
  decoder.dispose();
  for (const tensor of [tokens, times, ids, clean]) tensor.dispose();
});

test("captions of one picture share its condition", async (check, gpu) => {
  const { decoder } = build(gpu, {});
  const { length, side, codes: codeCount } = decoder.shape;
  const random = (seed: number, count: number, below: number) =>
    Array.from(randomArray(seed, count), (value) => Math.floor(Math.abs(value) * 1000) % below);
  const [pictures, repeats] = [3, 2];
  const places = side * side;
  const one = random(1, pictures * places, codeCount + 1);
  const twice = Array.from({ length: pictures * repeats * places }, (_, i) => {
    return one[Math.floor(i / (repeats * places)) * places + (i % places)]!;
  });
  const tokens = fromArray(
    gpu,
    random(2, pictures * repeats * length, decoder.shape.vocabulary + 1),
    [pictures * repeats, length],
    "u32",
  );
  const times = fromArray(
    gpu,
    random(3, pictures * repeats, decoder.shape.timesteps).map((time) => time + 1),
    [pictures * repeats],
    "u32",
  );
  const say = (ids: number[], rows: number) =>
    gpu.scope(() =>
      noGrad(() =>
        decoder.forward(tokens, times, decoder.prepare(fromArray(gpu, ids, [rows, places], "u32"))),
      ),
    );
  const shared = say(one, pictures);
  const separate = say(twice, pictures * repeats);
  check.near(
    await shared.read(),
    await separate.read(),
    { abs: 1e-6, rel: 1e-5 },
    "as if each had its own copy",
  );
  await check.throwsMessage(
    () => say([...one, ...one].slice(0, 4 * places), 4),
    /condition for 4 pictures do not fit/,
    "4 pictures for 6 captions",
  );
});

test("frozen tables begin as they should, and are not counted", async (check, gpu) => {
  const decoder = new Decoder(gpu, {
    ...shape,
    tokenEmbedding: "clip",
    timeEmbedding: "sinusoidal",
    codePositions: "waves",
    summaryTokens: 2,
  });
  decoder.initialise(3);
  const parameters = new Map(decoder.parameters().map((parameter) => [parameter.name, parameter]));
  const tokens = await parameters.get("tokens")!.tensor.read();
  const { vocabulary, dim, timesteps, blocks } = shape;
  check.ok(
    tokens.subarray(0, vocabulary * dim).every((value) => value === 0),
    "no table is loaded yet",
  );
  check.ok(
    tokens.subarray(vocabulary * dim).every((value) => value !== 0),
    "[MASK] has a vector",
  );
  const times = await parameters.get("modulation.table")!.tensor.read();
  const half = dim / 2;
  const expected = Array.from({ length: times.length }, (_, i) => {
    const [row, c] = [Math.floor(i / (2 * blocks * dim)), i % dim];
    if (row === 0) return 0;
    const angle = ((row - 1) / timesteps) * 4000 * Math.exp((-Math.log(10_000) * (c % half)) / (half - 1));
    return c < half ? Math.sin(angle) : Math.cos(angle);
  });
  check.near(times, expected, { abs: 1e-6 }, "sinusoids of (t − 1)/T · 4000");
  const places = await parameters.get("codeWaves")!.tensor.read();
  const quarter = Math.PI / 2;
  // Three frequencies for rows and three for columns: a quarter of a turn over 3, √3 and 1 places.
  const turns = [3, Math.sqrt(3), 1].map((length) => quarter / length);
  const wave = (at: number) =>
    turns.flatMap((turn) => [Math.sin(turn * (at + 0.5)), Math.cos(turn * (at + 0.5))]);
  check.near(
    places,
    [0, 1, 2]
      .flatMap((row) => [0, 1, 2].flatMap((column) => [...wave(row), ...wave(column)]))
      .concat(Array(2 * dim).fill(0)),
    { abs: 1e-6 },
    "waves of rows and columns, nothing for the summary",
  );
  const all = new Decoder(gpu, { ...shape, summaryTokens: 2 });
  const frozen = tokens.length + times.length;
  check.equal(decoder.parameterCount, all.parameterCount - frozen, "trained parameters");
  check.equal(parameters.get("tokens")!.trained, false, "the optimiser leaves the table alone");
  all.dispose();
  decoder.dispose();
});

test("a tied table is one parameter, and logits begin as large as with a head", async (check, gpu) => {
  const sizes = { ...shape, dim: 96, vocabulary: 200 };
  const spread = async (tokenEmbedding: "learned" | "tied") => {
    const decoder = new Decoder(gpu, { ...sizes, tokenEmbedding });
    decoder.initialise(1);
    const given = inputs(gpu);
    const logits = gpu.scope(() =>
      noGrad(() => decoder.forward(given.xt, given.t, decoder.prepare(given.codes))),
    );
    const values = await logits.read();
    const names = decoder.parameters().map(({ name }) => name);
    for (const tensor of [logits, ...Object.values(given)]) tensor.dispose();
    decoder.dispose();
    return { names, size: Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length) };
  };
  const [head, tied] = [await spread("learned"), await spread("tied")];
  check.ok(head.names.includes("head.weight") && !tied.names.includes("head.weight"), "no second matrix");
  check.ok(tied.names.includes("head.bias"), "but biases");
  check.ok(
    tied.size > 0.6 && tied.size < 1.5,
    `logits of ${tied.size.toFixed(2)}, with a head ${head.size.toFixed(2)}`,
  );
});
