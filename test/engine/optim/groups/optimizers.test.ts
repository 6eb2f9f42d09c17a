import type { Gpu } from "../../../../dist/engine/gpu/gpu.js";
import { Linear } from "../../../../dist/engine/nn/linear.js";
import { Module } from "../../../../dist/engine/nn/module.js";
import { mul } from "../../../../dist/engine/ops/elementwise.js";
import { mse, sum } from "../../../../dist/engine/ops/reduce.js";
import { AdamW } from "../../../../dist/engine/optim/groups/adamw.js";
import type { Optimizer, Trained } from "../../../../dist/engine/optim/groups/optimizer.js";
import { Sgd } from "../../../../dist/engine/optim/groups/sgd.js";
import { backward } from "../../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor, zeros } from "../../../../dist/engine/tensor/tensor.js";
import { loadWeights, readWeights } from "../../../../dist/engine/weights/weights.js";
import { type Check, float16Test, randomArray, test } from "../../../harness.js";

const shapes = [[1], [3], [17, 5], [65], [8, 9]];

interface Rule {
  /** The new weight; `state` keeps what the rule remembers of an element. */
  update(w: number, g: number, rate: number, decay: number, state: number[], step: number): number;
}

const sgd = (momentum: number, nesterov = false): Rule => ({
  update(w, gradient, rate, decay, state) {
    const g = gradient + decay * w;
    if (momentum === 0) return w - rate * g;
    state[0] = momentum * (state[0] ?? 0) + g;
    return w - rate * (nesterov ? g + momentum * state[0] : state[0]);
  },
});

const adamw = (beta1: number, beta2: number, epsilon: number): Rule => ({
  update(w, g, rate, decay, state, step) {
    state[0] = beta1 * (state[0] ?? 0) + (1 - beta1) * g;
    state[1] = beta2 * (state[1] ?? 0) + (1 - beta2) * g * g;
    const direction = state[0] / (1 - beta1 ** step) / (Math.sqrt(state[1] / (1 - beta2 ** step)) + epsilon);
    return w - rate * (direction + decay * w);
  },
});

/** Gives tensors these gradients, by a loss that has them. */
function differentiate(gpu: Gpu, tensors: readonly Tensor[], gradients: readonly Float64Array[]): void {
  gpu.scope(() => {
    tensors.forEach((tensor, i) => {
      backward(sum(mul(tensor, fromArray(gpu, gradients[i]!, tensor.shape))));
    });
  });
}

/** Five steps of an optimiser beside the rule in float64. `ratesOf` says the rate and decay of a tensor at a step. */
async function follow(
  t: Check,
  gpu: Gpu,
  rule: Rule,
  make: (tensors: Tensor[]) => Optimizer,
  ratesOf: (i: number, step: number) => [rate: number, decay: number],
  clip = 0,
): Promise<void> {
  const initial = shapes.map((shape, i) =>
    randomArray(
      i + 1,
      shape.reduce((a, b) => a * b),
    ),
  );
  const tensors = shapes.map((shape, i) => fromArray(gpu, initial[i]!, shape, "f32", `w${i}`).requireGrad());
  const optimizer = make(tensors);
  const weights = initial.map((values) => values.slice());
  const states = initial.map((values) => Array.from(values, () => [] as number[]));
  for (let step = 1; step <= 5; step++) {
    const gradients = initial.map((values, i) => randomArray(10 * step + i, values.length, 0.5));
    optimizer.zeroGrad();
    differentiate(gpu, tensors, gradients);
    optimizer.step();
    const norm = Math.hypot(...gradients.flatMap((values) => [...values]));
    const factor = clip > 0 ? Math.min(1, clip / norm) : 1;
    if (clip > 0) t.near([(await optimizer.norm!.read())[0]!], [norm], { rel: 1e-5 }, `step ${step}: norm`);
    weights.forEach((values, i) => {
      const [rate, decay] = ratesOf(i, step);
      values.forEach((w, j) => {
        values[j] = rule.update(w, factor * gradients[i]![j]!, rate, decay, states[i]![j]!, step);
      });
    });
  }
  for (const [i, tensor] of tensors.entries())
    t.near(await tensor.read(), weights[i]!, { abs: 3e-6, rel: 1e-5 }, `weights [${shapes[i]}]`);
  optimizer.dispose();
  for (const tensor of tensors) {
    t.equal(tensor.grad, null, "the gradient is gone with the optimiser");
    tensor.dispose();
  }
}

const decays = (i: number) => shapes[i]!.length >= 2;

test("SGD", async (t, gpu) => {
  const options = { learningRate: 0.1, weightDecay: 0.3 };
  await follow(
    t,
    gpu,
    sgd(0),
    (tensors) => new Sgd(tensors, options),
    (i) => [0.1, decays(i) ? 0.3 : 0],
  );
});

for (const nesterov of [false, true]) {
  test(`SGD with ${nesterov ? "Nesterov's " : ""}momentum, clipped`, async (t, gpu) => {
    const options = { learningRate: 0.1, weightDecay: 0.2, momentum: 0.9, nesterov, clip: 3 };
    await follow(
      t,
      gpu,
      sgd(0.9, nesterov),
      (tensors) => new Sgd(tensors, options),
      (i) => [0.1, decays(i) ? 0.2 : 0],
      3,
    );
  });
}

test("AdamW, and groups with rates of their own", async (t, gpu) => {
  const schedule = (step: number) => 0.1 / step;
  await follow(
    t,
    gpu,
    adamw(0.8, 0.95, 1e-6),
    ([a, b, c, d, e]) =>
      new AdamW(
        [
          { parameters: [a!, c!] },
          { parameters: [e!], learningRate: 0.01, weightDecay: 0.5 },
          { parameters: [d!, b!], learningRate: schedule },
        ],
        { learningRate: 0.02, weightDecay: 0.1, betas: [0.8, 0.95], epsilon: 1e-6 },
      ),
    (i, step) => {
      if (i === 4) return [0.01, 0.5];
      return [i === 0 || i === 2 ? 0.02 : schedule(step), decays(i) ? 0.1 : 0];
    },
  );
});

test("a module's parameters; what the gradient does not reach has gradient 0", async (t, gpu) => {
  const layer = new Linear(gpu, 3, 2);
  const other = fromArray(gpu, [1, 2], [2], "f32", "other").requireGrad();
  layer.initialise(1);
  const before = await layer.weight.read();
  const optimizer = new Sgd([{ parameters: layer, weightDecay: 0.5 }, { parameters: [other] }], {
    learningRate: 0.1,
    momentum: 0.9,
  });
  const one = fromArray(gpu, [1, 1, 1], [1, 3]);
  for (let step = 0; step < 2; step++) {
    optimizer.zeroGrad();
    gpu.scope(() => backward(sum(step === 0 ? layer.forward(one) : mul(other, other))));
    optimizer.step();
  }
  const g = before.map((w) => 1 + 0.5 * w);
  const once = before.map((w, i) => w - 0.1 * g[i]!);
  const twice = once.map((w, i) => w - 0.1 * (0.9 * g[i]! + 0.5 * w));
  t.near(await layer.weight.read(), twice, { abs: 1e-6 }, "weight: its momentum and decay go on");
  t.near(await layer.bias!.read(), [-0.19, -0.19], { abs: 1e-6 }, "bias: its momentum");
  t.near(await other.read(), [0.8, 1.6], { abs: 1e-6 }, "the other");
  optimizer.dispose();
  layer.dispose();
  for (const tensor of [other, one]) tensor.dispose();
});

test("dispatches and memory of a step", async (t, gpu) => {
  const tensors = Array.from({ length: 20 }, (_, i) => zeros(gpu, [i + 1, 3]).requireGrad());
  const groups: Trained = [
    { parameters: tensors.slice(0, 9) },
    { parameters: tensors.slice(9), learningRate: 1 },
  ];
  const made = [
    [new Sgd(groups, { learningRate: 0.1 }), 1],
    [new Sgd(groups, { learningRate: 0.1, momentum: 0.5, clip: 1 }), 3],
    [new AdamW(groups, { learningRate: 0.1 }), 1],
  ] as const;
  for (const [optimizer, dispatches] of made) {
    differentiate(
      gpu,
      tensors,
      tensors.map(({ size }) => randomArray(1, size)),
    );
    optimizer.step();
    await gpu.idle();
    const { dispatches: before, buffers, bindGroups } = gpu.counters;
    optimizer.step();
    await gpu.idle();
    const after = gpu.counters;
    t.equal(after.dispatches - before, dispatches, `dispatches of ${optimizer.constructor.name}`);
    t.equal(after.buffers, buffers, "no buffer is created");
    t.equal(after.bindGroups, bindGroups, "no bind group is created");
  }
  for (const [optimizer] of made) optimizer.dispose();
  for (const tensor of tensors) tensor.dispose();
});

test("a gradient that is not finite skips a clipped step", async (t, gpu) => {
  const w = fromArray(gpu, [1, 2, 3], [3]).requireGrad();
  const optimizer = new AdamW([w], { learningRate: 0.1, clip: 1 });
  differentiate(gpu, [w], [Float64Array.of(1, Number.NaN, 1)]);
  optimizer.step();
  t.near(await w.read(), [1, 2, 3], {}, "weights stay");
  t.equal((await optimizer.norm!.read())[1], 1, "and it says so");
  optimizer.dispose();
  w.dispose();
});

test("captured work replays steps with the rates of each", async (t, gpu) => {
  const target = fromArray(gpu, [3, -1, 2, 0.5], [2, 2]);
  const run = async (captured: boolean) => {
    const w = fromArray(gpu, [0, 0, 0, 0], [2, 2]).requireGrad();
    const optimizer = new AdamW([w], { learningRate: (step) => 0.5 / step });
    const gradient = () => {
      optimizer.zeroGrad();
      gpu.scope(() => backward(mse(w, target)));
    };
    if (captured) {
      const { work } = gpu.capture(() => {
        gradient();
        optimizer.apply();
      });
      for (let step = 0; step < 4; step++) {
        optimizer.advance();
        work.run();
      }
      work.dispose();
    } else {
      for (let step = 0; step < 4; step++) {
        gradient();
        optimizer.step();
      }
    }
    const values = await w.read();
    t.equal(optimizer.stepsTaken, 4, "steps are counted");
    optimizer.dispose();
    w.dispose();
    return values;
  };
  t.near(await run(true), await run(false), {}, "as step by step");
  target.dispose();
});

float16Test("parameters in float16 have masters in float32", async (t, gpu) => {
  const w = fromArray(gpu, [1, 1, 1], [3], "f16").requireGrad();
  const optimizer = new Sgd([w], { learningRate: 1e-4 });
  for (let step = 0; step < 10; step++) {
    w.grad!.write([1, 2, 3]);
    w.gradIsCurrent = true;
    optimizer.step();
  }
  // Steps of 1e-4 alone are below half of float16's last place at 1.
  t.near(await w.read(), [0.999, 0.998, 0.997], { abs: 3e-4 }, "small steps add up");
  optimizer.dispose();
  w.dispose();
});

test("optimisers say what does not fit", async (t, gpu) => {
  const w = zeros(gpu, [2, 2], "f32", "w");
  const options = { learningRate: 1 };
  await t.throwsMessage(
    () => new Sgd([w], options),
    /Sgd: w \[2, 2\] does not require a gradient/,
    "no leaf",
  );
  w.requireGrad();
  await t.throwsMessage(() => new AdamW([w, w], options), /AdamW: w \[2, 2\] is given twice/, "twice");
  await t.throwsMessage(() => new AdamW([], options), /no parameters were given/, "none");
  await t.throwsMessage(
    () => new AdamW([{ parameters: [7 as unknown as Tensor] }], options),
    /parameter 0 is not a tensor/,
    "no tensor",
  );
  await t.throwsMessage(() => new Sgd([w], { ...options, momentum: 1 }), /momentum 1 is not/, "momentum");
  await t.throwsMessage(() => new Sgd([w], { ...options, nesterov: true }), /nesterov needs/, "Nesterov");
  await t.throwsMessage(() => new AdamW([w], { ...options, betas: [0.9, 1] }), /betas \[0.9, 1\]/, "betas");
  const made = (...given: unknown[]) => Reflect.construct(AdamW, given) as AdamW;
  const takes = /AdamW: it takes a module, a list of tensors, or a list of groups \{ parameters/;
  for (const wrong of [{}, undefined, w, [new Linear(gpu, 2, 2)], new Linear(gpu, 2, 2).parameters])
    await t.throwsMessage(() => made(wrong, options), takes, "no parameters");
  const missing = /its options are missing: new (AdamW|Sgd)\(model, \{ learningRate: 1e-3 \}\)/;
  await t.throwsMessage(() => made([w]), missing, "no options");
  await t.throwsMessage(() => Reflect.construct(Sgd, [[w]]), missing, "no options of Sgd");
  for (const rate of [undefined, Number.NaN, "0.1"])
    await t.throwsMessage(
      () => made([w], { learningRate: rate }),
      new RegExp(`AdamW: learningRate is "?${rate}"?; give a number, or a function`),
      `rate ${rate}`,
    );
  made([{ parameters: [w], learningRate: 0.1 }], {}).dispose();
  const view = gpu.scope(() => zeros(gpu, [3, 4]).slice(1, 0, 2).detach()).requireGrad();
  await t.throwsMessage(() => new Sgd([view], options), /is a strided view, not a parameter/, "view");
  w.dispose();
  view.dispose();
});

class Net extends Module {
  readonly first: Linear;
  readonly rest: readonly Linear[];

  constructor(
    gpu: Gpu,
    readonly declared: "all" | "some" | "none",
  ) {
    super(gpu);
    const [first, second] = [new Linear(gpu, 2, 2), new Linear(gpu, 2, 2)];
    this.first = declared === "none" ? first : this.child("first", first);
    this.rest = [declared === "all" ? this.child("second", second) : second];
  }
}

test("a model without values, or with layers that it does not declare, is named before the first step", async (t, gpu) => {
  const options = { learningRate: 0.1 };
  await t.throwsMessage(
    () => new AdamW(new Net(gpu, "none"), options),
    /AdamW: Net has no parameters; its constructor declares layers by this\.child/,
    "nothing declared",
  );
  const some = new Net(gpu, "some");
  some.initialise(1);
  const partial = new AdamW(some, options);
  await t.throwsMessage(
    () => partial.step(),
    /AdamW: Net\.rest is not declared and has no values; .* this\.child\("rest", layer\)/,
    "one layer of two declared",
  );
  // Values of its own: a frozen layer.
  some.rest[0]!.initialise(2);
  partial.step();
  t.equal(partial.stepsTaken, 1, "a layer that has values may be left out");
  const late = new AdamW(new Net(gpu, "all"), options);
  await t.throwsMessage(
    () => late.step(),
    /first\.weight \[2, 2\] has no values yet; call initialise\(seed\)/,
    "no initialise",
  );
  const model = new Net(gpu, "all");
  const before = new AdamW(model, options);
  model.initialise(1);
  before.step();
  t.equal(before.stepsTaken, 1, "values may be set after the optimiser is made");
  const loaded = new Net(gpu, "all");
  loadWeights(loaded, await readWeights(model), "weights");
  const trained = new AdamW(loaded, options);
  trained.step();
  t.equal(trained.stepsTaken, 1, "or come from a file");
  for (const optimizer of [partial, late, before, trained]) optimizer.dispose();
});
