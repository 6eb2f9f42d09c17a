import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { Linear } from "../../../dist/engine/nn/linear.js";
import { Module } from "../../../dist/engine/nn/module.js";
import { PackedParameters } from "../../../dist/engine/nn/parameters.js";
import { linear } from "../../../dist/engine/ops/matmul.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { AdamW } from "../../../dist/engine/optim/adamw.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
} from "../../../dist/engine/weights/safetensors.js";
import { loadWeights, readWeights } from "../../../dist/engine/weights/weights.js";
import { ModelOptimizer } from "../../../dist/training/model-optimizer.js";
import { float16Test, randomArray } from "../../harness.js";

const rounded = (values: ArrayLike<number>) => float16ToFloat32(float32ToFloat16(Float32Array.from(values)));

/** Weights of 15 and 35 elements, neither of which fills whole words of 4 bytes in float16; float32 biases. */
class Model extends Module {
  readonly first: Linear<"f16">;
  readonly second: Linear<"f16">;

  constructor(gpu: Gpu) {
    super(gpu);
    this.first = this.child("first", new Linear(gpu, 3, 5, { dtype: "f16" }));
    this.second = this.child("second", new Linear(gpu, 5, 7, { dtype: "f16" }));
  }
}

const options = {
  learningRate: { peak: 1e-5, warmup: 0, from: 0, steps: 1000 },
  betas: [0.9, 0.99],
  weightDecay: 0,
  clip: 0,
  average: { decay: 0.5, every: 1 },
} as const;

/** One step that makes the sum of the layer's output smaller. */
function step(model: Model, optimizer: ModelOptimizer, number: number, x: Float32Array): void {
  const { gpu } = model;
  optimizer.prepare(number);
  optimizer.zeroGrad();
  gpu.scope(() => {
    const input = fromArray(gpu, x, [1, 3], "f16");
    const hidden = model.first.forward(input, { output: "f16" });
    backward(sum(model.second.forward(hidden)));
    optimizer.completeGradients();
    optimizer.step();
  });
}

float16Test("float16 parameters have float32 masters at the same places", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const before = await readWeights(model);
  const [packed] = PackedParameters.of(model) as [PackedParameters];
  t.equal(packed.rounded!.size, packed.values.size, "a float16 copy of everything");
  const after = await readWeights(model);
  for (const [name, { dtype, data }] of before) {
    t.equal(dtype, name.endsWith("weight") ? "F16" : "F32", `type of ${name}`);
    t.same([...after.get(name)!.data], [...data], `${name} is as before`);
    const master = packed.masters.get(name);
    t.equal(master?.dtype, name.endsWith("weight") ? "f32" : undefined, `master of ${name}`);
    if (master) t.same([...(await master.read())], [...data], "it starts from the parameter");
  }
  packed.values.write(randomArray(1, packed.values.size));
  packed.round();
  t.near(
    await model.second.weight.read(),
    rounded(randomArray(1, packed.values.size).subarray(128, 163)),
    {},
    "rounding sets the parameters",
  );
  packed.dispose();
  t.equal((await model.first.weight.read()).length, 15, "the parameters outlive the packing");
  model.dispose();
});

float16Test("steps that are too small for float16 add up in the masters", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  model.second.weight.write(new Float32Array(35).fill(1));
  const optimizer = new ModelOptimizer(model, options);
  // AdamW moves each weight by about the learning rate, 1e-5; next to 1, float16 has steps of 2⁻¹¹ downwards.
  for (let n = 1; n <= 50; n++) step(model, optimizer, n, Float32Array.of(1, 1, 1));
  const { model: saved } = await optimizer.save();
  const master = saved.get("second.weight")!;
  t.equal(master.dtype, "F32", "a checkpoint holds the masters");
  const moved = Float64Array.from(master.data as Float32Array, (value) => Math.abs(value - 1));
  t.near(moved, new Float64Array(35).fill(50e-5), { rel: 0.02 }, "fifty steps of 1e-5");
  t.near(await model.second.weight.read(), rounded(master.data as Float32Array), {}, "the parameters follow");
  const trained = await model.second.weight.read();
  await optimizer.withAverages(async () => {
    const averaged = await model.second.weight.read();
    t.near(averaged, rounded(averaged), {}, "averages are put in place in float16");
  });
  t.same([...(await model.second.weight.read())], [...trained], "and taken out again");
  optimizer.dispose();
  model.dispose();
});

float16Test("values beyond float16's range make a step a no-op, and the next one works", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const optimizer = new ModelOptimizer(model, options);
  step(model, optimizer, 1, Float32Array.of(1, 2, 3));
  const [weights, { optimizer: moments }] = [await readWeights(model), await optimizer.save()];
  // The hidden layer exceeds 65504: infinity, and NaN where infinities of both signs meet.
  model.first.bias!.write([1e5, -1e5, 1e5, -1e5, 1e5]);
  step(model, optimizer, 2, Float32Array.of(1, 2, 3));
  t.ok(!Number.isFinite(await optimizer.gradientNorm()), "the gradient is not finite");
  const { optimizer: after } = await optimizer.save();
  for (const [name, { data }] of await readWeights(model)) {
    if (name !== "first.bias") t.same([...data], [...weights.get(name)!.data], `${name} stays`);
  }
  for (const [name, { data }] of after) {
    t.same([...data], [...moments.get(name)!.data], `${name} stays`);
  }
  model.first.bias!.write([0, 0, 0, 0, 0]);
  step(model, optimizer, 3, Float32Array.of(1, 2, 3));
  t.ok(Number.isFinite(await optimizer.gradientNorm()), "the next gradient is finite");
  const moved = (await optimizer.save()).model.get("first.weight")!.data as Float32Array;
  t.ok(
    moved.every((value) => Number.isFinite(value)),
    "and the weights are numbers",
  );
  optimizer.dispose();
  model.dispose();
});

float16Test("AdamW rounds what it has moved, in every pack", async (t, gpu) => {
  for (const parts of [1, 2]) {
    const count = 64 * 64;
    const packs = Array.from({ length: parts }, (_, i) => ({
      values: fromArray(gpu, randomArray(1 + i, count), [count]),
      gradients: fromArray(gpu, randomArray(3 + i, count), [count]),
      rounded: fromArray(gpu, new Float32Array(count), [count], "f16"),
      blockDecay: new Float32Array(count / 64),
    }));
    const adamw = new AdamW({ gpu, packs });
    adamw.setSchedule({ learningRate: 0.01, step: 1 });
    adamw.step();
    for (const [i, { values, rounded: copy }] of packs.entries()) {
      const moved = await values.read();
      t.near(await copy.read(), rounded(moved), { abs: 2 ** -25 }, `pack ${i + 1} of ${parts}: the copy`);
      const before = randomArray(1 + i, count);
      const expected = randomArray(3 + i, count).map((g, j) => before[j]! - 0.01 * Math.sign(g));
      t.near(moved, expected, { abs: 2e-6 }, "AdamW's first step");
    }
    adamw.dispose();
  }
});

float16Test("a linear layer of float16 reads what AdamW has written", async (t, gpu) => {
  const model = new Model(gpu);
  model.initialise(1);
  const optimizer = new ModelOptimizer(model, {
    ...options,
    learningRate: { ...options.learningRate, peak: 0.1 },
  });
  step(model, optimizer, 1, Float32Array.of(1, 2, 3));
  const x = fromArray(gpu, [1, 2, 3], [1, 3]);
  const { model: masters } = await optimizer.save();
  const weight = fromArray(gpu, rounded(masters.get("first.weight")!.data as Float32Array), [3, 5]);
  const expected = await linear(x, weight, model.first.bias).read();
  t.near(await model.first.forward(x).read(), expected, { abs: 1e-6, rel: 1e-6 }, "the same product");
  optimizer.dispose();
  model.dispose();
});

float16Test("float16 of a file goes to the device as it is", async (t, gpu) => {
  class Layers extends Module {
    readonly half = this.child("half", new Linear(this.gpu, 4, 6, { dtype: "f16" }));
    readonly odd = this.child("odd", new Linear(this.gpu, 3, 5, { dtype: "f16" }));
    readonly full = this.child("full", new Linear(this.gpu, 4, 6));
  }
  const model = new Layers(gpu);
  const halves = new Map<string, StoredTensor>();
  const wide = new Map<string, StoredTensor>();
  model.parameters().forEach(({ name, tensor: { shape, size } }, i) => {
    const data = Float32Array.from(randomArray(i, size));
    halves.set(name, { dtype: "F16", shape, data });
    wide.set(name, { dtype: "F32", shape, data });
  });
  const { tensors } = decodeSafetensors(encodeSafetensors(halves), "w.safetensors");
  const written: unknown[] = [];
  const write = gpu.write;
  gpu.write = (...call) => {
    written.push(call[2]);
    write.apply(gpu, call);
  };
  try {
    loadWeights(model, tensors, "w.safetensors");
  } finally {
    gpu.write = write;
  }
  t.ok(written.includes(tensors.get("half.weight")!.data), "the file's own array, without a conversion");
  const values = (name: string) => wide.get(name)!.data as Float32Array;
  for (const { name, tensor } of model.parameters())
    t.same([...(await tensor.read())], [...rounded(values(name))], name);
  loadWeights(model, wide, "w.safetensors");
  for (const { name, tensor } of model.parameters()) {
    const expected = tensor.dtype === "f16" ? rounded(values(name)) : values(name);
    t.same([...(await tensor.read())], [...expected], `${name} from float32`);
  }
  model.dispose();
});
