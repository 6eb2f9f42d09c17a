import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { constant, fanIn, normal } from "../../../dist/engine/nn/initialisers.js";
import { Linear } from "../../../dist/engine/nn/linear.js";
import { Module } from "../../../dist/engine/nn/module.js";
import { blockElements, PackedParameters } from "../../../dist/engine/nn/parameters.js";
import { add, mul } from "../../../dist/engine/ops/elementwise.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { AdamW } from "../../../dist/engine/optim/adamw.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import type { StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import { loadWeights, readWeights } from "../../../dist/engine/weights/weights.js";
import { randomArray, test } from "../../harness.js";

/** Parameters of 3, 64, 65, 4, 35 and 7 elements: below, at and above a block; no loss reaches `unused`. */
class Model extends Module {
  readonly small: Tensor;
  readonly exact: Tensor;
  readonly over: Tensor;
  readonly statistic: Tensor;
  readonly unused: Tensor;
  readonly layer: Linear;

  constructor(gpu: Gpu) {
    super(gpu);
    this.small = this.parameter("small", [3], normal(1));
    this.exact = this.parameter("exact", [8, 8], normal(1));
    this.over = this.parameter("over", [65], normal(1), { decay: true });
    this.statistic = this.parameter("statistic", [10], constant(4), { trained: false });
    this.unused = this.parameter("unused", [2, 2], constant(3), { decay: false });
    this.layer = this.child("layer", new Linear(gpu, 5, 7));
  }

  get reached(): Tensor[] {
    return [this.small, this.exact, this.over, this.layer.weight, this.layer.bias!];
  }

  /** Σ element · factor: the gradients are the factors. */
  loss(factors: readonly Tensor[]): Tensor {
    return this.reached.map((tensor, i) => sum(mul(tensor, factors[i]!))).reduce((a, b) => add(a, b));
  }
}

/** Where each parameter lies: the first element of its block. */
const layout = { small: 0, exact: 64, over: 128, unused: 256, "layer.weight": 320, "layer.bias": 384 };
const total = 448;

test("parameters are packed in blocks with zeros between them", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const before = await readWeights(model);
  const packed = PackedParameters.of(model)[0]!;
  t.equal(packed.values.size, total, "whole blocks");
  t.same(
    packed.parameters.map(({ name, tensor }) => [name, tensor.offset]),
    Object.entries(layout),
    "each starts at a block; what is not trained stays outside",
  );
  const values = await packed.values.read();
  const expected = new Float32Array(total);
  for (const [name, at] of Object.entries(layout)) expected.set(before.get(name)!.data as Float32Array, at);
  t.same([...values], [...expected], "values unchanged, gaps zero");
  t.same(
    [...packed.blockDecay],
    [0, 1, 1, 1, 0, 1, 0],
    "decay of matrices and where asked for, not of vectors nor where declined",
  );
  t.equal(blockElements, 64, "blocks of 64");
  const after = await readWeights(model);
  for (const [name, { data }] of before)
    t.same([...after.get(name)!.data], [...data], `${name} reads as before`);
  model.exact.write(new Float32Array(64).fill(2));
  t.same(
    [...(await packed.values.read()).slice(64, 128)],
    new Array(64).fill(2),
    "writing a parameter writes the packed values",
  );
  packed.dispose();
  t.same([...(await model.exact.read())], new Array(64).fill(2), "and they outlive the packing");
  model.dispose();
});

test("gradients land in their place, stale ones are cleared", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const packed = PackedParameters.of(model)[0]!;
  const data = model.reached.map((tensor, i) => randomArray(10 + i, tensor.size));
  const factors = model.reached.map((tensor, i) => fromArray(gpu, data[i]!, tensor.shape));
  const names = ["small", "exact", "over", "layer.weight", "layer.bias"] as const;
  const expected = (times: number) => {
    const all = new Float32Array(total);
    names.forEach((name, i) => {
      all.set(
        Float64Array.from(data[i]!, (value) => times * value),
        layout[name],
      );
    });
    return all;
  };
  packed.gradients.write(new Float32Array(total).fill(9));
  const pass = () => gpu.scope(() => backward(model.loss(factors)));
  packed.zeroGrad();
  pass();
  packed.completeGradients();
  const gradients = await packed.gradients.read();
  for (const name of names) {
    const size = data[names.indexOf(name)]!.length;
    t.near(
      gradients.slice(layout[name], layout[name] + size),
      expected(1).slice(layout[name], layout[name] + size),
      { abs: 1e-6 },
      `gradient of ${name}`,
    );
  }
  t.same([...gradients.slice(256, 260)], [0, 0, 0, 0], "a parameter that the loss did not reach has none");
  pass();
  t.near(
    (await packed.gradients.read()).slice(64, 128),
    expected(2).slice(64, 128),
    { abs: 1e-5 },
    "a second pass adds",
  );
  packed.zeroGrad();
  pass();
  t.near(
    (await packed.gradients.read()).slice(64, 128),
    expected(1).slice(64, 128),
    { abs: 1e-6 },
    "after zeroGrad it overwrites",
  );
  packed.dispose();
  for (const tensor of factors) tensor.dispose();
  model.dispose();
});

test("what one binding cannot hold becomes several packs", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const before = await readWeights(model);
  const packs = PackedParameters.split(model, 2 * 256);
  t.same(
    packs.map(({ parameters }) => parameters.map(({ name }) => name)),
    [["small", "exact"], ["over"], ["unused", "layer.weight"], ["layer.bias"]],
    "two blocks a pack",
  );
  t.same(
    packs.map(({ values, blockDecay }) => [values.size, [...blockDecay]]),
    [
      [128, [0, 1]],
      [128, [1, 1]],
      [128, [0, 1]],
      [64, [0]],
    ],
    "each with its own blocks",
  );
  const after = await readWeights(model);
  for (const [name, { data }] of before)
    t.same([...after.get(name)!.data], [...data], `${name} reads as before`);
  t.same(
    PackedParameters.split(model, 4).map(({ parameters }) => parameters.length),
    [1, 1, 1, 1, 1, 1],
    "a parameter larger than a pack stands alone",
  );
  model.dispose();
});

test("weight decay reaches its blocks only, and the gaps stay zero", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const packed = PackedParameters.of(model)[0]!;
  const before = await packed.values.read();
  const adamw = new AdamW({ gpu, packs: [packed], weightDecay: 0.5 });
  // Without gradients only the decay moves anything: w loses learning rate · decay · w.
  adamw.setSchedule({ learningRate: 0.1, step: 1 });
  adamw.step();
  const decayed = before.map((value, i) => value * (packed.blockDecay[Math.floor(i / 64)] ? 0.95 : 1));
  t.near(await packed.values.read(), decayed, { abs: 1e-6 }, "values after a step of decay");
  adamw.dispose();
  packed.dispose();
  model.dispose();
});

test("initial values depend on seed and name alone", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const first = await readWeights(model);
  model.initialise(2);
  const second = await readWeights(model);
  t.ok(
    first.get("exact")!.data.some((value, i) => value !== second.get("exact")!.data[i]),
    "another seed, other values",
  );
  t.same([...second.get("statistic")!.data], new Array(10).fill(4), "constants are constant");
  t.same([...normal(1)([8, 8], 1, "exact")], [...first.get("exact")!.data], "whatever else the model has");
  t.ok(
    normal(1)([3], 1, "a").some((value, i) => value !== normal(1)([3], 1, "b")[i]),
    "another name, other values",
  );
  const many = normal(2)([10000], 3, "x");
  const mean = many.reduce((a, b) => a + b, 0) / many.length;
  const deviation = Math.sqrt(many.reduce((a, b) => a + b * b, 0) / many.length);
  t.ok(
    Math.abs(mean) < 0.08 && Math.abs(deviation - 2) < 0.06,
    `mean ${mean.toFixed(3)}, deviation ${deviation.toFixed(3)}`,
  );
  const scaled = fanIn(1)([3, 3, 50, 20], 3, "y");
  const width = Math.sqrt(scaled.reduce((a, b) => a + b * b, 0) / scaled.length);
  t.ok(Math.abs(width * Math.sqrt(450) - 1) < 0.05, "fan-in counts all axes but the last");
  t.equal(model.parameterCount, 3 + 64 + 65 + 4 + 35 + 7, "parameters that are trained");
  model.dispose();
});

test("weights that do not fit are refused by name", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const weights = await readWeights(model, "m.");
  model.initialise(2);
  loadWeights(model, weights, "w.safetensors", "m.");
  t.same([...(await model.over.read())], [...weights.get("m.over")!.data], "what was saved is loaded");
  const wrong = (changes: (copy: typeof weights) => void) => {
    const copy = new Map(weights);
    changes(copy);
    return () => loadWeights(model, copy, "w.safetensors", "m.");
  };
  await t.throwsMessage(
    wrong((copy) => copy.delete("m.layer.bias")),
    /w\.safetensors: m\.layer\.bias is missing; the file is of another model/,
    "a tensor that is missing",
  );
  await t.throwsMessage(
    wrong((copy) => copy.set("m.exact", { ...weights.get("m.exact")!, shape: [64] })),
    /m\.exact is \[64\], this model's is \[8, 8\]/,
    "a shape",
  );
  await t.throwsMessage(
    wrong((copy) => copy.set("m.small", { dtype: "U32", shape: [3], data: new Uint32Array(3) })),
    /m\.small is U32, a model's weights are F32 or F16/,
    "a type",
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const data = Float32Array.of(1, 2, value);
    const tensors: StoredTensor[] = [
      { dtype: "F32", shape: [3], data },
      { dtype: "F16", shape: [3], data: float32ToFloat16(data) },
    ];
    for (const tensor of tensors) {
      await t.throwsMessage(
        wrong((copy) => copy.set("m.small", tensor)),
        new RegExp(`w\\.safetensors: m\\.small holds ${value} at element 2; weights must be finite numbers`),
        `${value} in ${tensor.dtype}`,
      );
    }
  }
  model.dispose();
});
