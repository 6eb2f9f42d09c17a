/** Small networks of the modules learn small tasks, in seconds and from fixed seeds. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { silu } from "../../../dist/engine/ops/elementwise.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import {
  AdamW,
  Attention,
  avgPool2d,
  binaryCrossEntropy,
  Conv2d,
  cosineRate,
  crossEntropy,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  Lstm,
  Module,
  maxPool2d,
  Sgd,
  smoothedCrossEntropy,
  warmUp,
} from "../../../dist/nn.js";
import { randomArray, test } from "../../harness.js";

/** The share of rows [.., classes] whose largest logit is the target's, where `counts` says so. */
async function accuracy(
  logits: Tensor,
  targets: ArrayLike<number>,
  counts: (i: number) => boolean,
): Promise<number> {
  const values = await logits.read();
  const classes = logits.shape.at(-1)!;
  let [right, all] = [0, 0];
  for (let i = 0; i < targets.length; i++) {
    if (!counts(i)) continue;
    const row = values.slice(i * classes, (i + 1) * classes);
    all++;
    if (row.indexOf(Math.max(...row)) === targets[i]) right++;
  }
  return right / all;
}

const words = (seed: number, count: number, below: number) =>
  Uint32Array.from(randomArray(seed, count), (x) => Math.floor(Math.abs(x) * 1e4) % below);

class Echo extends Module {
  private readonly embedding: Embedding;
  private readonly lstm: Lstm;
  private readonly head: Linear;

  constructor(gpu: Gpu, tokens: number, width: number) {
    super(gpu);
    this.embedding = this.child("embedding", new Embedding(gpu, tokens, width));
    this.lstm = this.child("lstm", new Lstm(gpu, width, width));
    this.head = this.child("head", new Linear(gpu, width, tokens));
  }

  forward(ids: Tensor<"u32">): Tensor {
    return this.gpu.scope(() => this.head.forward(this.lstm.forward(this.embedding.forward(ids)).outputs));
  }
}

test("an LSTM learns to say what it heard two steps ago", async (t, gpu) => {
  const [batch, length, tokens] = [16, 8, 4];
  const model = new Echo(gpu, tokens, 24);
  model.initialise(1);
  const optimizer = new AdamW(model, { learningRate: warmUp(5, cosineRate(0.03, 0.003, 120)), clip: 1 });
  const none = 99;
  const targetsOf = (ids: Uint32Array) => ids.map((_, i) => (i % length < 2 ? none : ids[i - 2]!));
  for (let step = 0; step < 120; step++) {
    const ids = words(step, batch * length, tokens);
    optimizer.zeroGrad();
    gpu.scope(() => {
      const heard = fromArray(gpu, ids, [batch, length], "u32");
      const targets = fromArray(gpu, targetsOf(ids), [batch, length], "u32");
      backward(crossEntropy(model.forward(heard), targets, { ignore: none }).loss);
    });
    optimizer.step();
    gpu.flush();
  }
  const ids = words(1000, batch * length, tokens);
  const heard = fromArray(gpu, ids, [batch, length], "u32");
  const logits = noGrad(() => model.forward(heard));
  const right = await accuracy(logits, targetsOf(ids), (i) => i % length >= 2);
  t.ok(right > 0.95, `${Math.round(100 * right)} % right on sequences that it has not seen, by chance 25 %`);
  optimizer.dispose();
  model.dispose();
  for (const tensor of [heard, logits]) tensor.dispose();
});

class Transformer extends Module {
  private readonly embedding: Embedding;
  private readonly norm: LayerNorm;
  private readonly attention: Attention;
  private readonly normOut: LayerNorm;
  private readonly head: Linear;

  constructor(gpu: Gpu, tokens: number, length: number, width: number) {
    super(gpu);
    this.embedding = this.child("embedding", new Embedding(gpu, tokens, width, { positions: length }));
    this.norm = this.child("norm", new LayerNorm(gpu, width));
    this.attention = this.child("attention", new Attention(gpu, width, 2, { causal: true }));
    this.normOut = this.child("normOut", new LayerNorm(gpu, width));
    this.head = this.child("head", new Linear(gpu, width, tokens));
  }

  forward(ids: Tensor<"u32">): Tensor {
    return this.gpu.scope(() => {
      const x = this.embedding.forward(ids);
      const y = this.attention.forward(this.norm.forward(x), { residual: x });
      return this.head.forward(this.normOut.forward(y));
    });
  }
}

test("a causal transformer learns to repeat, and sees nothing that comes later", async (t, gpu) => {
  const [batch, half, tokens] = [16, 4, 5];
  const length = 2 * half - 1;
  const model = new Transformer(gpu, tokens, length, 32);
  model.initialise(2);
  const optimizer = new AdamW(model, {
    learningRate: warmUp(10, cosineRate(0.01, 0.001, 150)),
    weightDecay: 0.01,
  });
  const none = 99;
  /** Four words twice; asked for each next word of the second time. */
  const sample = (seed: number) => {
    const own = words(seed, batch * half, tokens);
    const at = (row: number, i: number) => own[row * half + (i % half)]!;
    const each = Array.from(
      { length: batch * length },
      (_, i) => [Math.floor(i / length), i % length] as const,
    );
    return {
      ids: Uint32Array.from(each, ([row, i]) => at(row, i)),
      targets: Uint32Array.from(each, ([row, i]) => (i < half - 1 ? none : at(row, i + 1))),
    };
  };
  for (let step = 0; step < 150; step++) {
    const { ids, targets } = sample(step);
    optimizer.zeroGrad();
    gpu.scope(() => {
      const logits = model.forward(fromArray(gpu, ids, [batch, length], "u32"));
      const goal = fromArray(gpu, targets, [batch, length], "u32");
      backward(smoothedCrossEntropy(logits, goal, 0.05, { ignore: none }).loss);
    });
    optimizer.step();
    gpu.flush();
  }
  const { ids, targets } = sample(1000);
  const heard = fromArray(gpu, ids, [batch, length], "u32");
  const logits = noGrad(() => model.forward(heard));
  const right = await accuracy(logits, targets, (i) => targets[i] !== none);
  t.ok(right > 0.95, `${Math.round(100 * right)} % right on sequences that it has not seen, by chance 20 %`);
  const changed = fromArray(
    gpu,
    ids.map((id, i) => (i % length >= 5 ? (id + 1) % tokens : id)),
    [batch, length],
    "u32",
  );
  const after = noGrad(() => model.forward(changed));
  const before = (values: Float32Array) => values.filter((_, i) => Math.floor(i / tokens) % length < 5);
  t.near(before(await after.read()), before(await logits.read()), {}, "earlier places do not see the change");
  optimizer.dispose();
  model.dispose();
  for (const tensor of [heard, logits, changed, after]) tensor.dispose();
});

class Stripes extends Module {
  private readonly first: Conv2d;
  private readonly norm: GroupNorm;
  private readonly depthwise: Conv2d;
  private readonly head: Linear;

  constructor(gpu: Gpu) {
    super(gpu);
    this.first = this.child("first", new Conv2d(gpu, 1, 8, { kernel: 3, padding: 1 }));
    this.norm = this.child("norm", new GroupNorm(gpu, 2, 8));
    this.depthwise = this.child("depthwise", new Conv2d(gpu, 8, 8, { kernel: 3, padding: 1, groups: 8 }));
    this.head = this.child("head", new Linear(gpu, 8, 1));
  }

  /** x [B, 8, 8, 1] → logits [B]: above 0 for vertical stripes. */
  forward(x: Tensor): Tensor {
    const [batch] = x.shape as [number];
    return this.gpu.scope(() => {
      const coarse = maxPool2d(this.norm.forward(this.first.forward(x), { activation: "silu" }), {
        kernel: 2,
      });
      const pooled = avgPool2d(silu(this.depthwise.forward(coarse)), { kernel: 4 });
      return this.head.forward(pooled.reshape([batch, 8])).reshape([batch]);
    });
  }
}

test("a convolutional network learns the direction of stripes", async (t, gpu) => {
  const batch = 16;
  const sample = (seed: number) => {
    const vertical = words(seed, batch, 2);
    const phase = words(seed + 5000, batch, 4);
    const noise = randomArray(seed + 9000, batch * 64, 0.5);
    const pixels = noise.map((value, i) => {
      const [b, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
      const along = vertical[b] === 1 ? x : y;
      return value + ((along + phase[b]!) % 4 < 2 ? 1 : -1);
    });
    return { pixels, vertical: Float32Array.from(vertical) };
  };
  const model = new Stripes(gpu);
  model.initialise(3);
  const optimizer = new Sgd(model, {
    learningRate: 0.1,
    momentum: 0.9,
    nesterov: true,
    weightDecay: 1e-4,
    clip: 1,
  });
  for (let step = 0; step < 60; step++) {
    const { pixels, vertical } = sample(step);
    optimizer.zeroGrad();
    gpu.scope(() => {
      const logits = model.forward(fromArray(gpu, pixels, [batch, 8, 8, 1]));
      backward(binaryCrossEntropy(logits, fromArray(gpu, vertical, [batch])));
    });
    optimizer.step();
    gpu.flush();
  }
  let right = 0;
  for (let seed = 1000; seed < 1004; seed++) {
    const { pixels, vertical } = sample(seed);
    const x = fromArray(gpu, pixels, [batch, 8, 8, 1]);
    const logits = noGrad(() => model.forward(x));
    const values = await logits.read();
    right += values.filter((value, i) => value > 0 === (vertical[i] === 1)).length;
    x.dispose();
    logits.dispose();
  }
  t.ok(right >= 61, `${right} of 64 pictures that it has not seen are right, by chance 32`);
  optimizer.dispose();
  model.dispose();
});
