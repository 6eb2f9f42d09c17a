/** Modules against the ops that they are made of, and the gradients of all their parameters. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { concat } from "../../../dist/engine/ops/copy.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor, zeros } from "../../../dist/engine/tensor/tensor.js";
import {
  Attention,
  type AttentionInputs,
  Conv2d,
  Dropout,
  Embedding,
  GroupNorm,
  Lstm,
  LstmCell,
  type Module,
} from "../../../dist/nn.js";
import { type Check, randomArray, test } from "../../harness.js";
import { part } from "../../reference/attention.js";
import { referenceConv2d } from "../../reference/conv2d.js";
import { matmul } from "../../reference/dense.js";
import * as lstmReference from "../../reference/lstm.js";
import { maskedAttention } from "../../reference/masked-attention.js";

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Random values for all parameters; returns them by name. */
function randomise(module: Module): Map<string, Float64Array> {
  const values = new Map<string, Float64Array>();
  module.parameters().forEach(({ name, tensor }, i) => {
    const data = randomArray(20 + i, tensor.size, 0.5);
    tensor.write(data);
    values.set(name, data);
  });
  return values;
}

/**
 * The module's result beside a reference in float64, and the gradient of sum(result ∘ r) with respect to every parameter and
 * to x beside central differences of the reference.
 */
async function checkModule(
  t: Check,
  gpu: Gpu,
  module: Module,
  x: { shape: number[]; data: Float64Array },
  forward: (x: Tensor) => Tensor,
  reference: (x: Float64Array, parameters: ReadonlyMap<string, Float64Array>) => Float64Array,
): Promise<void> {
  const values = randomise(module);
  const expected = reference(x.data, values);
  const r = randomArray(99, expected.length);
  const input = fromArray(gpu, x.data, x.shape).requireGrad();
  const dy = noGrad(() => fromArray(gpu, r, [r.length]));
  const y = gpu.scope(() => {
    const result = forward(input);
    backwardFrom(result, dy.reshape(result.shape));
    return result.detach().keep();
  });
  t.near(await y.read(), expected, { abs: 1e-5, rel: 1e-5 }, "result");
  const objective = () => reference(x.data, values).reduce((sum, value, i) => sum + value * r[i]!, 0);
  const leaves: [string, Tensor, Float64Array][] = [
    ["x", input, x.data],
    ...module
      .parameters()
      .map(({ name, tensor }): [string, Tensor, Float64Array] => [name, tensor as Tensor, values.get(name)!]),
  ];
  for (const [name, tensor, data] of leaves) {
    const differences = data.map((value, i) => {
      const at = (moved: number) => {
        data[i] = moved;
        const result = objective();
        data[i] = value;
        return result;
      };
      return (at(value + 1e-5) - at(value - 1e-5)) / 2e-5;
    });
    // The first step of a cell has no product with the recurrent weight: no gradient, and differences of 0.
    const gradient = tensor.grad ? await tensor.grad.read() : new Float64Array(tensor.size);
    t.near(gradient, differences, { abs: 1e-4, rel: 1e-4 }, `gradient of ${name}`);
  }
  input.grad!.dispose();
  for (const tensor of [input, dy, y]) tensor.dispose();
  module.dispose();
}

const input = (...shape: number[]) => ({ shape, data: randomArray(1, size(shape)) });

for (const [groups, stride] of [
  [1, 2],
  [1, [1, 2]],
  [2, 1],
] as const) {
  test(`Conv2d in ${groups} group(s), stride ${stride}`, async (t, gpu) => {
    const module = new Conv2d(gpu, 4, 2, { kernel: [3, 2], stride, padding: 1, groups });
    const [down, right] = typeof stride === "number" ? [stride, stride] : stride;
    await checkModule(
      t,
      gpu,
      module,
      input(2, 5, 4, 4),
      (x) => module.forward(x),
      (x, parameters) => {
        const [weight, bias] = [parameters.get("weight")!, parameters.get("bias")!];
        // As one convolution of all channels, with zeros where a group does not reach, and every place of it.
        const own = 4 / groups;
        const full = Float64Array.from({ length: 6 * 4 * 2 }, (_, at) => {
          const [tap, i, o] = [Math.floor(at / 8), Math.floor(at / 2) % 4, at % 2];
          const inside = Math.floor(i / own) === Math.floor(o / (2 / groups));
          return inside ? weight[(tap * own + (i % own)) * 2 + o]! : 0;
        });
        const y = referenceConv2d(
          {
            batch: 2,
            height: 5,
            width: 4,
            channels: 4,
            kernelHeight: 3,
            kernelWidth: 2,
            outChannels: 2,
            stride: 1,
            top: 1,
            left: 1,
            outHeight: 5,
            outWidth: 5,
          },
          x,
          full,
          bias,
        );
        const picked: number[] = [];
        for (let row = 0; row < 10; row++)
          for (let column = 0; column < 5; column++)
            for (let o = 0; o < 2; o++)
              if ((row % 5) % down === 0 && column % right === 0) picked.push(y[(row * 5 + column) * 2 + o]!);
        return Float64Array.from(picked);
      },
    );
  });
}

test("GroupNorm", async (t, gpu) => {
  const module = new GroupNorm(gpu, 2, 6);
  await checkModule(
    t,
    gpu,
    module,
    input(2, 5, 6),
    (x) => module.forward(x),
    (x, parameters) => {
      const [weight, bias] = [parameters.get("weight")!, parameters.get("bias")!];
      const y = new Float64Array(x.length);
      for (let b = 0; b < 2; b++)
        for (let g = 0; g < 2; g++) {
          const places = Array.from(
            { length: 15 },
            (_, i) => b * 30 + Math.floor(i / 3) * 6 + g * 3 + (i % 3),
          );
          const mean = places.reduce((sum, at) => sum + x[at]!, 0) / 15;
          const variance = places.reduce((sum, at) => sum + (x[at]! - mean) ** 2, 0) / 15;
          for (const at of places)
            y[at] = ((x[at]! - mean) / Math.sqrt(variance + 1e-5)) * weight[at % 6]! + bias[at % 6]!;
        }
      return y;
    },
  );
});

test("Embedding with positions and padding", async (t, gpu) => {
  const module = new Embedding(gpu, 7, 3, { positions: 5 });
  const values = randomise(module);
  const ids = [3, 0, 6, 6, 3, 1, 2, 6];
  const tensor = fromArray(gpu, ids, [2, 4], "u32");
  const y = gpu.scope(() => module.forward(tensor, { zeroId: 6 }));
  const expected = ids.flatMap((id, i) =>
    [0, 1, 2].map((c) =>
      id === 6 ? 0 : values.get("weight")![id * 3 + c]! + values.get("positions")![(i % 4) * 3 + c]!,
    ),
  );
  t.near(await y.read(), expected, { abs: 1e-6 }, "vectors");
  t.same(
    module.parameters().map(({ name, tensor }) => [name, tensor.shape]),
    [
      ["weight", [7, 3]],
      ["positions", [5, 3]],
    ],
    "parameters",
  );
  for (const each of [tensor, y]) each.dispose();
  module.dispose();
});

test("Dropout", async (t, gpu) => {
  const module = new Dropout(gpu, 0.25);
  const rng = new Rng(gpu, 5);
  const x = fromArray(gpu, new Float32Array(4000).fill(3), [4000]);
  const y = module.forward(x, rng);
  const values = await y.read();
  const kept = values.filter((value) => value !== 0);
  t.ok(
    kept.every((value) => Math.abs(value - 4) < 1e-6),
    "what stays is scaled by 1 / (1 - rate)",
  );
  t.ok(Math.abs(kept.length / 4000 - 0.75) < 0.04, `${kept.length} of 4000 stay`);
  t.near(await module.forward(x).read(), await x.read(), {}, "without random numbers x itself");
  for (const each of [x, y, rng]) each.dispose();
});

const affine = (
  x: Float64Array,
  parameters: ReadonlyMap<string, Float64Array>,
  name: string,
  k: number,
  n: number,
) => {
  const [weight, bias] = [parameters.get(`${name}.weight`)!, parameters.get(`${name}.bias`)!];
  return matmul(x, weight, { m: x.length / k, k, n }).map((y, i) => y + bias[i % n]!);
};

for (const [heads, causal, masked] of [
  [1, false, "none"],
  [2, true, "none"],
  [4, false, "keys"],
  [1, false, "keys"],
  [2, true, "keys"],
  [2, false, "mask"],
  [2, false, "bias"],
] as const) {
  test(`Attention to itself, ${heads} heads, ${causal ? "causal, " : ""}${masked}`, async (t, gpu) => {
    const module = new Attention(gpu, 4, heads, { causal });
    const shape = { batches: 2, queries: 3, keys: 3, heads, width: 4 / heads };
    const seen = [1, 1, 0, 1, 0, 1];
    const given: Record<string, [keyof AttentionInputs, number[], number[]]> = {
      keys: ["keyMask", seen, [2, 3]],
      mask: ["mask", [1, 0, 1, 0, 1, 1, 1, 1, 0], [3, 3]],
      bias: ["bias", [...randomArray(7, 9)], [3, 3]],
    };
    const [name, data, dims] = given[masked] ?? [null, [], []];
    const extra = name ? fromArray(gpu, data, dims, (name === "bias" ? "f32" : "u32") as "f32") : null;
    const mask =
      name === "keyMask" ? { shape: [2, 1, 1, 3], data } : name === "mask" ? { shape: [3, 3], data } : null;
    const bias = name === "bias" ? { shape: [3, 3], data } : null;
    const residual = input(2, 3, 4);
    const added = fromArray(gpu, residual.data, residual.shape);
    await checkModule(
      t,
      gpu,
      module,
      input(2, 3, 4),
      (x) => module.forward(x, { residual: added, ...(name ? { [name]: extra } : {}) }),
      (x, parameters) => {
        const qkv = affine(x, parameters, "qkv", 4, 12);
        const parts = [0, 1, 2].map((i) => part(qkv, i, 3, 4)) as [Float64Array, Float64Array, Float64Array];
        const { output } = maskedAttention(...parts, shape, { causal, mask, bias });
        return affine(output, parameters, "output", 4, 4).map((y, i) => y + residual.data[i]!);
      },
    );
    extra?.dispose();
    added.dispose();
  });
}

for (const causal of [false, true]) {
  test(`Attention to another sequence${causal ? ", causal" : ""}`, async (t, gpu) => {
    const module = new Attention(gpu, 8, 2, { context: 3, causal });
    const context = input(2, 5, 3);
    const other = fromArray(gpu, context.data, context.shape);
    await checkModule(
      t,
      gpu,
      module,
      input(2, 3, 8),
      (x) => module.forward(x, { context: other }),
      (x, parameters) => {
        const q = affine(x, parameters, "q", 8, 8);
        const kv = affine(context.data, parameters, "kv", 3, 16);
        const { output } = maskedAttention(
          q,
          part(kv, 0, 2, 8),
          part(kv, 1, 2, 8),
          { batches: 2, queries: 3, keys: 5, heads: 2, width: 4 },
          { causal },
        );
        return affine(output, parameters, "output", 8, 8);
      },
    );
    other.dispose();
  });
}

for (const [batch, steps, inputs, width] of [
  [2, 1, 3, 2],
  [3, 4, 2, 5],
] as const) {
  test(`Lstm and LstmCell, ${batch} sequences of ${steps}`, async (t, gpu) => {
    const reference = (x: Float64Array, parameters: ReadonlyMap<string, Float64Array>) => {
      const [weight, recurrent, bias] = ["weight", "recurrent", "bias"].map(
        (name) => parameters.get(name)!,
      ) as [Float64Array, Float64Array, Float64Array];
      // [B, T, I] to [T, B, I], as the reference takes the gates, and back.
      const turned = (values: Float64Array, outer: number, inner: number, channels: number) =>
        Float64Array.from(values, (_, at) => {
          const [i, j, c] = [
            Math.floor(at / channels / outer),
            Math.floor(at / channels) % outer,
            at % channels,
          ];
          return values[(j * inner + i) * channels + c]!;
        });
      const gates = matmul(turned(x, batch, steps, inputs), weight, {
        m: batch * steps,
        k: inputs,
        n: 4 * width,
      }).map((z, i) => z + bias[i % (4 * width)]!);
      const all = lstmReference.lstm(gates, recurrent, { steps, batch, width });
      const outputs = turned(all.slice(0, steps * batch * width), steps, batch, width);
      return Float64Array.from([...outputs, ...all.slice(steps * batch * width)]);
    };
    const flat = (tensor: Tensor) => tensor.reshape([tensor.size]);
    const sequence = new Lstm(gpu, inputs, width);
    await checkModule(
      t,
      gpu,
      sequence,
      input(batch, steps, inputs),
      (x) => {
        const { outputs, state } = sequence.forward(x);
        return concat([flat(outputs), flat(state.hidden), flat(state.cell)], 0);
      },
      reference,
    );
    const cell = new LstmCell(gpu, inputs, width);
    await checkModule(
      t,
      gpu,
      cell,
      input(batch, steps, inputs),
      (x) => {
        const rows = (step: number) => x.slice(1, step, 1).reshape([batch, inputs]);
        let state = cell.forward(rows(0));
        const outputs = [state.hidden.reshape([batch, 1, width])];
        for (let step = 1; step < steps; step++) {
          state = cell.forward(rows(step), state);
          outputs.push(state.hidden.reshape([batch, 1, width]));
        }
        return concat([flat(concat(outputs, 1)), flat(state.hidden), flat(state.cell)], 0);
      },
      reference,
    );
  });
}

test("the forget gates of an LSTM start open", async (t, gpu) => {
  const module = new Lstm(gpu, 2, 3);
  module.initialise(1);
  t.near(await module.bias.read(), [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0], {}, "bias");
  module.dispose();
});

test("modules say what does not fit", async (t, gpu) => {
  await t.throwsMessage(
    () => new Conv2d(gpu, 4, 6, { kernel: 3, groups: 4 }),
    /4 groups do not divide 4 inputs and 6/,
    "groups",
  );
  await t.throwsMessage(() => new Attention(gpu, 6, 4), /6 channels cannot be split into 4 heads/, "heads");
  const own = new Attention(gpu, 4, 1);
  const cross = new Attention(gpu, 4, 1, { context: 4 });
  const x = zeros(gpu, [1, 2, 4]);
  const keyMask = zeros(gpu, [1, 2], "u32");
  await t.throwsMessage(
    () => own.forward(x, { context: x }),
    /a context is given to self-attention/,
    "context",
  );
  await t.throwsMessage(() => cross.forward(x), /cross-attention needs a context/, "no context");
  await t.throwsMessage(
    () => own.forward(x, { keyMask, mask: keyMask }),
    /keyMask or mask, not both/,
    "masks",
  );
  const lstm = new Lstm(gpu, 4, 2);
  const row = zeros(gpu, [2, 4]);
  await t.throwsMessage(() => lstm.forward(row), /x \[2, 4\] is not \[B, T, inputs\]/, "rank");
  for (const each of [own, cross, lstm, x, keyMask, row]) each.dispose();
});
