/** Mistakes in a first network: each gets a sentence that says what is wrong, where, and what would be right. */

import * as engine from "../../dist/engine/index.js";
import * as nn from "../../dist/nn.js";
import { type Check, test } from "../harness.js";

const { ArgumentError, backward, fromArray, Gpu, GpuError, zeros } = engine;

/** Checks the whole text of an error, and its type. */
function refuses(
  t: Check,
  action: () => unknown,
  type: new (...given: never[]) => Error,
  text: string,
  what: string,
): void {
  try {
    action();
  } catch (error) {
    t.ok(error instanceof type, `${what}: a ${type.name}`);
    t.equal((error as Error).message, text, what);
    return;
  }
  t.ok(false, `${what}: nothing was thrown`);
}

/** Layers in fields, as in other frameworks: this base class cannot see them. */
class Undeclared extends nn.Module {
  readonly layer = new nn.Linear(this.gpu, 2, 1);
}

test("a device that is none", async (t, gpu) => {
  const text = "Gpu.from takes a GPUDevice";
  for (const [name, given] of Object.entries({
    "{}": {},
    nothing: undefined,
    null: null,
    Gpu: gpu,
    promise: Promise.resolve(gpu.device),
  }))
    refuses(t, () => Gpu.from(given as unknown as GPUDevice), GpuError, text, name);
});

test("the engine's AdamW with a list of tensors, or with nothing", async (t, gpu) => {
  const w = zeros(gpu, [2, 2]).requireGrad();
  const text = "AdamW: takes { gpu, packs: PackedParameters.of(model) }; mc-diffusion/nn's takes tensors";
  for (const [name, given] of Object.entries({
    "a list": [[w], { learningRate: 0.1 }],
    nothing: [],
    "{}": [{}],
  }))
    refuses(t, () => Reflect.construct(engine.AdamW, given), ArgumentError, text, name);
  w.dispose();
});

test("AdamW of mc-diffusion/nn with nothing, or without options", async (t, gpu) => {
  const w = zeros(gpu, [2, 2]).requireGrad();
  const text = "AdamW: its options are missing: new AdamW(model, { learningRate: 1e-3 })";
  for (const [name, given] of Object.entries({ nothing: [], "tensors alone": [[w]] }))
    refuses(t, () => Reflect.construct(nn.AdamW, given), ArgumentError, text, name);
  w.dispose();
});

test("a step without a schedule", async (t, gpu) => {
  const layer = new nn.Linear(gpu, 2, 1);
  layer.initialise(1);
  const packs = engine.PackedParameters.of(layer);
  const optimizer = new engine.AdamW({ gpu, packs });
  const text = "AdamW: call setSchedule() before step()";
  refuses(t, () => optimizer.step(), ArgumentError, text, "no schedule");
  gpu.capture(() => optimizer.step()).work.dispose();
  const before = await layer.weight.read();
  gpu.scope(() => backward(nn.mse(layer.forward(fromArray(gpu, [1, 1], [1, 2])), zeros(gpu, [1, 1]))));
  optimizer.setSchedule({ learningRate: 0.1, step: 1 });
  optimizer.step();
  const after = await layer.weight.read();
  t.ok(
    after.every((value, i) => Math.abs(Math.abs(value - before[i]!) - 0.1) < 1e-4),
    "with one, the first step is as long as the rate",
  );
  optimizer.dispose();
  for (const pack of packs) pack.dispose();
});

test("a forward pass without values", async (t, gpu) => {
  const ids = fromArray(gpu, [0, 1], [2], "u32");
  const image = zeros(gpu, [1, 4, 4, 1]);
  const x = zeros(gpu, [1, 2]);
  const help =
    "has no values yet; call initialise(seed) on a model that declares it by this.child, or load weights";
  const linear = new nn.Linear(gpu, 2, 1);
  const forward = () => gpu.scope(() => linear.forward(x));
  refuses(t, forward, ArgumentError, `linear: weight [2, 1] ${help}`, "Linear");
  refuses(
    t,
    () => engine.noGrad(forward),
    ArgumentError,
    `linear: weight [2, 1] ${help}`,
    "without gradients",
  );
  const embedding = new nn.Embedding(gpu, 3, 2);
  const embed = () => gpu.scope(() => embedding.forward(ids));
  refuses(t, embed, ArgumentError, `embedding: weight [3, 2] ${help}`, "Embedding");
  const conv = new nn.Conv2d(gpu, 1, 2, { kernel: 3 });
  const convolve = () => gpu.scope(() => conv.forward(image));
  refuses(t, convolve, ArgumentError, `conv2d: weight [3, 3, 1, 2] ${help}`, "Conv2d");
  const norm = new nn.LayerNorm(gpu, 2);
  const normalise = () => gpu.scope(() => norm.forward(x));
  refuses(t, normalise, ArgumentError, `layerNorm: weight [2] ${help}`, "LayerNorm");
  // An optimiser moves the parameters to other memory.
  const packs = engine.PackedParameters.of(linear);
  refuses(t, forward, ArgumentError, `linear: weight [2, 1] ${help}`, "packed");
  linear.weight.write([1, 2]);
  refuses(t, forward, ArgumentError, `linear: bias [1] ${help}`, "of two parameters one has values");
  engine.fill(linear.bias!, 3);
  t.same([...(await forward().read())], [3], "values may be written by hand");
  for (const pack of packs) pack.dispose();
});

test("layers that are not declared", async (t, gpu) => {
  const model = new Undeclared(gpu);
  model.initialise(1);
  const x = zeros(gpu, [1, 2]);
  refuses(
    t,
    () => gpu.scope(() => model.layer.forward(x)),
    ArgumentError,
    "linear: weight [2, 1] has no values yet; call initialise(seed) on a model that declares it by this.child, or load weights",
    "a forward pass",
  );
  refuses(
    t,
    () => new nn.AdamW(model, { learningRate: 0.1 }),
    ArgumentError,
    "AdamW: Undeclared has no parameters; its constructor declares layers by this.child(name, layer) and tensors by this.parameter(…)",
    "an optimiser",
  );
  model.layer.dispose();
});

test("the result of a loss in place of the loss", async (t, gpu) => {
  const logits = zeros(gpu, [2, 3]).requireGrad();
  const result = engine.crossEntropy(logits, fromArray(gpu, [0, 1], [2], "u32"));
  const give = (loss: unknown) => () => backward(loss as engine.Tensor);
  refuses(
    t,
    give(result),
    ArgumentError,
    "backward: argument 1 is an object, not a tensor; its loss is one",
    "crossEntropy's",
  );
  refuses(t, give({}), ArgumentError, "backward: argument 1 is an object, not a tensor", "another object");
  for (const nothing of [undefined, null])
    refuses(
      t,
      give(nothing),
      ArgumentError,
      `backward: argument 1 is ${nothing}, not a tensor`,
      `${nothing}`,
    );
  backward(result.loss);
  t.ok(logits.grad !== null, "its loss has gradients");
  logits.dispose();
});

test("ids in a Uint32Array without a type", async (t, gpu) => {
  const table = zeros(gpu, [3, 2]);
  const ids = fromArray(gpu, Uint32Array.of(0, 2), [2]);
  const help = 'is f32, the op takes u32; give fromArray the type "u32"';
  const embed = () => engine.embedding(table, ids as unknown as engine.Tensor<"u32">);
  refuses(t, embed, ArgumentError, `embedding: tensor [2] ${help}`, "embedding");
  const loss = () => engine.crossEntropy(zeros(gpu, [2, 3]), ids as unknown as engine.Tensor<"u32">);
  refuses(t, loss, ArgumentError, `crossEntropy: tensor [2] ${help}`, "crossEntropy");
});
