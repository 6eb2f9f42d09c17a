import { transitionTable } from "../../../dist/diffusion/coefficients.js";
import { headKlLoss, klLoss, klRows } from "../../../dist/diffusion/loss.js";
import { Schedule } from "../../../dist/diffusion/schedule.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { crossEntropy, crossEntropyRows } from "../../../dist/engine/ops/cross-entropy.js";
import { chunkRows, headCrossEntropy } from "../../../dist/engine/ops/head-loss.js";
import { linear } from "../../../dist/engine/ops/matmul.js";
import { backward, zeroGrad } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { freshDevice, plainDevice } from "../../device.js";
import { type Check, checkOp, randomArray, test } from "../../harness.js";
import { explicitKl, softmax } from "../../reference/diffusion.js";

const defaults = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28 };

/** hidden·weight + bias in float64, row by row. */
function logitsOf(
  hidden: Float64Array,
  weight: Float64Array,
  bias: Float64Array,
  dim: number,
): Float64Array[] {
  const width = bias.length;
  return Array.from({ length: hidden.length / dim }, (_, row) => {
    const logits = bias.slice();
    for (let i = 0; i < dim; i++) {
      for (let k = 0; k < width; k++) logits[k]! += hidden[row * dim + i]! * weight[i * width + k]!;
    }
    return logits;
  });
}

/** Clean and noised tokens of every kind: [MASK], x_0 itself, another; and times, three rows a time. */
function tokensOf(rows: number, width: number, steps: number) {
  const x0 = Array.from({ length: rows }, (_, row) => (row * 5 + 1) % width);
  const xt = x0.map((token, row) => [width, token, (token + 1) % width][row % 3]!);
  const times = Array.from({ length: rows / 3 }, (_, i) => [2, 1, steps, Math.ceil(steps / 2)][i % 4]!);
  return { x0, xt, times };
}

// 16 columns of hidden: a row of which begins at a bindable place every fourth row.
const dim = 16;

for (const [width, chunkBytes, chunks] of [
  [7, undefined, 1],
  [7, 4 * 7 * 4, 3],
  [8, 1, 3],
  [8, 4 * 8 * 11, 2],
] as const) {
  test(`head and KL loss, M = ${width}, ${chunks} chunks, against explicit matrices`, async (t, gpu) => {
    const rows = 12;
    t.equal(Math.ceil(rows / chunkRows(rows, dim, width, defaults, chunkBytes)), chunks, "chunks");
    const steps = 9;
    const schedule = new Schedule({ tokens: width, steps });
    const table = transitionTable(gpu, schedule);
    const { x0, xt, times } = tokensOf(rows, width, steps);
    const weights = randomArray(7, rows).map(Math.abs);
    const lambda = 0.3;
    const targets = {
      x0: fromArray(gpu, x0, [rows], "u32"),
      xt: fromArray(gpu, xt, [rows], "u32"),
      t: fromArray(gpu, times, [rows / 3], "u32"),
      coefficients: table.coefficients,
    };
    const gpuWeights = fromArray(gpu, weights, [rows]);
    const options = { lambda, weights: gpuWeights, maskWeight: [1, 0.5] as const, chunkBytes };
    await checkOp(t, gpu, "loss", {
      inputs: [
        { shape: [2, rows / 2, dim], data: randomArray(1, rows * dim) },
        { shape: [dim, width], data: randomArray(2, dim * width, 0.5) },
        { shape: [width], data: randomArray(3, width) },
      ],
      gpu: (hidden, weight, bias) => headKlLoss({ hidden, weight, bias }, targets, options).loss,
      reference: (hidden, weight, bias) => {
        let sum = 0;
        logitsOf(hidden!, weight!, bias!, dim).forEach((logits, row) => {
          const time = times[Math.floor(row / 3)]!;
          const { kl } = explicitKl(schedule, logits, x0[row]!, xt[row]!, time - 1, time);
          const nll = -Math.log(softmax(logits)[x0[row]!]!);
          sum += (weights[row]! * ((xt[row] === width ? 1 : 0.5) * kl + lambda * nll)) / rows;
        });
        return Float64Array.of(sum);
      },
      tolerance: { forward: { abs: 2e-6, rel: 2e-5 }, gradient: { abs: 4e-6, rel: 2e-4 } },
    });
    table.dispose();
  });

  test(`head and cross-entropy, M = ${width}, ${chunks} chunks, with ignored rows`, async (t, gpu) => {
    const rows = 12;
    const { x0 } = tokensOf(rows, width, 9);
    const targets = fromArray(gpu, x0, [rows], "u32");
    for (const ignore of [undefined, x0[4]!]) {
      const counting = x0.filter((token) => token !== ignore).length;
      await checkOp(t, gpu, `loss, ignoring ${ignore}`, {
        inputs: [
          { shape: [rows, dim], data: randomArray(1, rows * dim) },
          { shape: [dim, width], data: randomArray(2, dim * width, 0.5) },
          { shape: [width], data: randomArray(3, width) },
        ],
        gpu: (hidden, weight, bias) =>
          headCrossEntropy({ hidden, weight, bias }, targets, {
            chunkBytes,
            ...(ignore === undefined ? {} : { ignore }),
          }).loss,
        reference: (hidden, weight, bias) =>
          Float64Array.of(
            logitsOf(hidden!, weight!, bias!, dim).reduce((sum, logits, row) => {
              const nll = -Math.log(softmax(logits)[x0[row]!]!);
              return x0[row] === ignore ? sum : sum + nll / counting;
            }, 0),
          ),
        tolerance: { forward: { abs: 2e-6, rel: 2e-5 }, gradient: { abs: 4e-6, rel: 2e-4 } },
      });
    }
  });
}

/** A problem of some size on a device: what both ways need, and the gradients that a call leaves behind. */
function problem(gpu: Gpu, rows: number, width: number, channels: number) {
  const table = transitionTable(gpu, new Schedule({ tokens: width }));
  const { x0, xt, times } = tokensOf(rows, width, 100);
  const leaf = (seed: number, shape: number[], scale: number) =>
    fromArray(
      gpu,
      randomArray(
        seed,
        shape.reduce((a, b) => a * b, 1),
        scale,
      ),
      shape,
    ).requireGrad();
  const head = {
    hidden: leaf(1, [rows, channels], 1),
    weight: leaf(2, [channels, width], 2 / Math.sqrt(channels)),
    bias: leaf(3, [width], 1),
  };
  const targets = {
    x0: fromArray(gpu, x0, [rows], "u32"),
    xt: fromArray(gpu, xt, [rows], "u32"),
    t: fromArray(gpu, times, [rows / 3], "u32"),
    coefficients: table.coefficients,
  };
  const results = async (call: () => { loss: Tensor; terms: Tensor }) => {
    for (const tensor of Object.values(head)) zeroGrad(tensor);
    const { loss, terms } = gpu.scope(() => {
      const result = call();
      backward(result.loss);
      return { loss: result.loss.detach(), terms: result.terms };
    });
    const gradients = [];
    for (const tensor of Object.values(head)) gradients.push(await tensor.grad!.read());
    const all = [await loss.read(), await terms.read(), ...gradients];
    loss.dispose();
    terms.dispose();
    return all;
  };
  const { x0: clean, xt: noised, t } = targets;
  const dispose = () => {
    for (const tensor of Object.values(head)) {
      tensor.grad?.dispose();
      tensor.dispose();
    }
    for (const owned of [clean, noised, t, table]) owned.dispose();
  };
  return { head, targets, results, dispose };
}

const names = ["loss", "terms", "gradient of hidden", "gradient of weight", "gradient of bias"];

/** Gradients are compared by their largest element: small ones are differences of large numbers. */
function compare(t: Check, actual: ArrayLike<number>[], expected: ArrayLike<number>[], title: string): void {
  actual.forEach((values, i) => {
    const largest = Array.from(expected[i]!).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    t.near(values, expected[i]!, { abs: 3e-6 * largest, rel: 2e-5 }, `${title}: ${names[i]}`);
  });
}

test("head and loss agree with linear and then the loss, whole and in chunks", async (t, gpu) => {
  for (const width of [65, 132]) {
    const rows = 66;
    const { head, targets, results, dispose } = problem(gpu, rows, width, 64);
    const options = { lambda: 0.1, adaptive: true };
    const logits = () => linear(head.hidden, head.weight, head.bias);
    const entropy = ({ loss, rows }: { loss: Tensor; rows: Tensor }) => ({ loss, terms: rows });
    const apart = await results(() => klLoss({ ...targets, logits: logits() }, options));
    const apartEntropy = await results(() => entropy(crossEntropy(logits(), targets.x0)));
    for (const chunkBytes of [undefined, 4 * width * 20]) {
      const title = `M = ${width}, ${chunkBytes ?? "any"} bytes`;
      const together = await results(() => headKlLoss(head, targets, { ...options, chunkBytes }));
      compare(t, together, apart, `KL, ${title}`);
      const entropyTogether = await results(() =>
        entropy(headCrossEntropy(head, targets.x0, { chunkBytes })),
      );
      compare(t, entropyTogether, apartEntropy, `cross-entropy, ${title}`);
    }
    dispose();
  }
});

test("many lanes a row, as on a real GPU, give what one lane a row gives", async (t, gpu) => {
  const hardware = Gpu.from(await freshDevice(), { software: false });
  for (const width of [7, 65, 132]) {
    const rows = 9;
    const values = randomArray(width, rows * width, 3);
    const run = async (device: Gpu) => {
      const { targets, dispose } = problem(device, rows, width, 1);
      const logits = fromArray(device, values, [rows, width]);
      const one = fromArray(device, [1], [1]);
      const all: Float32Array[] = [];
      for (const rowLoss of [
        klRows(targets, { lambda: 0.1 })(rows, width, "logits"),
        crossEntropyRows(targets.x0, {})(rows, width, "logits"),
      ]) {
        const loss = fromArray(device, [0], [1]);
        rowLoss.forward(logits, 0);
        rowLoss.total(loss);
        const gradient = rowLoss.differentiable((tensor) => tensor);
        const outside = fromArray(device, values, [rows, width]);
        gradient.into(logits, one, { tensor: outside, accumulate: true });
        const inside = fromArray(device, values, [rows, width]);
        gradient.inPlace(inside, 0, one);
        for (const tensor of [loss, outside, inside]) all.push(await tensor.read());
      }
      dispose();
      return all;
    };
    const expected = await run(gpu);
    (await run(hardware)).forEach((result, i) => {
      t.near(result, expected[i]!, { abs: 1e-6, rel: 1e-5 }, `M = ${width}, result ${i}`);
    });
    // Added to the logits themselves, the gradient is the sum less the logits.
    for (const i of [0, 3]) {
      const sums = expected[i + 2]!.map((x, k) => x + values[k]!);
      t.near(
        expected[i + 1]!,
        sums,
        { abs: 1e-6, rel: 1e-6 },
        `M = ${width}: in place and apart, result ${i}`,
      );
    }
  }
  await hardware.idle();
  hardware.dispose();
});

test("head and loss: gradients add up, scale with what comes from above, and are left out where unwanted", async (t, gpu) => {
  const { head, targets, results, dispose } = problem(gpu, 24, 65, 64);
  for (const chunkBytes of [undefined, 4 * 65 * 7]) {
    const once = await results(() => headKlLoss(head, targets, { chunkBytes }));
    gpu.scope(() => backward(headKlLoss(head, targets, { chunkBytes }).loss));
    const twice = [];
    for (const tensor of Object.values(head)) twice.push(await tensor.grad!.read());
    compare(
      t,
      twice,
      once.slice(2).map((values) => values.map((x) => 2 * x)),
      "a second backward pass",
    );
    // Without a bias, and with a hidden state that wants nothing.
    const plain = gpu.scope(() => {
      zeroGrad(head.weight);
      const hidden = head.hidden.detach();
      const { loss } = headKlLoss({ hidden, weight: head.weight, bias: null }, targets, { chunkBytes });
      backward(loss);
      return loss.detach();
    });
    const [value, slope] = [await plain.item(), await head.weight.grad!.read()];
    const expected = gpu.scope(() => {
      zeroGrad(head.weight);
      const { loss } = klLoss({ ...targets, logits: linear(head.hidden.detach(), head.weight, null) });
      backward(loss);
      return loss.detach();
    });
    t.near([value], [await expected.item()], { rel: 1e-5 }, "no bias: loss");
    compare(t, [slope], [await head.weight.grad!.read()], "no bias");
    const silent = gpu.scope(() => noGrad(() => headKlLoss(head, targets, { chunkBytes }).loss));
    t.near([await silent.item()], once[0]!, { rel: 1e-6 }, "without gradients: the same loss");
    for (const tensor of [plain, expected, silent]) tensor.dispose();
  }
  dispose();
});

test("head and loss give all memory back, and chunks bound it", async (t, gpu) => {
  const [rows, width, channels] = [192, 1000, 64];
  const { head, targets, results, dispose } = problem(gpu, rows, width, channels);
  await results(() => headKlLoss(head, targets));
  const before = gpu.memory.liveBytes;
  const peak = async (call: () => void) => {
    gpu.resetPeakMemory();
    gpu.scope(call);
    await gpu.idle();
    t.equal(gpu.memory.liveBytes, before, "live bytes as before");
    return gpu.memory.peakBytes - before;
  };
  const logits = 4 * rows * width;
  const unfused = await peak(() =>
    backward(klLoss({ ...targets, logits: linear(head.hidden, head.weight, head.bias) }).loss),
  );
  const whole = await peak(() => backward(headKlLoss(head, targets).loss));
  const chunked = await peak(() => backward(headKlLoss(head, targets, { chunkBytes: logits / 16 }).loss));
  const silent = await peak(() => void noGrad(() => headKlLoss(head, targets, { chunkBytes: logits / 16 })));
  t.comment(
    `peak bytes: apart ${unfused}, one chunk ${whole}, sixteen ${chunked}, without gradients ${silent}`,
  );
  const dispatches = (call: () => void) => {
    const { work } = gpu.capture(() => gpu.scope(call));
    work.dispose();
    return work.dispatches;
  };
  const loss = (chunkBytes?: number) => () => backward(headKlLoss(head, targets, { chunkBytes }).loss);
  t.equal(dispatches(loss()), 7, "one chunk: forward, loss, sum, and back 1 + 1 + 2, as apart");
  t.equal(
    dispatches(loss(logits / 4)),
    4 * 5 + 1 + 3,
    "chunks: five each, a sum, and a factor for each gradient",
  );
  t.ok(unfused > 2 * logits, "apart: logits and their gradient");
  t.ok(whole < 1.7 * logits, "in one chunk: one buffer for both");
  const gradients = 4 * ((channels + 1) * width + rows * channels);
  t.ok(chunked < 1.3 * (gradients + logits / 16) + 20_000, "in chunks: the gradients and a chunk");
  t.ok(silent < logits / 8 + 20_000, "without gradients: a chunk");
  dispose();
});

test("chunks of rows fit the limits of every device", async (t) => {
  const width = 49_408;
  const rows = 128 * 77;
  const full = chunkRows(rows, 512, width, defaults);
  t.ok(
    full * width * 4 <= 2 ** 25 && full > 160,
    `full size: ${full} rows, ${(full * width * 4) / 2 ** 20} MiB`,
  );
  t.equal(Math.ceil(rows / full), Math.ceil(rows / Math.floor(2 ** 23 / width)), "in the fewest chunks");
  const greedy = chunkRows(rows, 512, width, defaults, 2 ** 40);
  t.ok(greedy * width * 4 <= 2 ** 27 && greedy > 600, `no budget: ${greedy} rows, within the binding limit`);
  t.equal(chunkRows(1024, 128, 1741, defaults), 1024, "a small vocabulary: one chunk");
  t.equal(chunkRows(9, 3, 7, defaults, 1), 9, "rows that must stay together");
  t.equal(chunkRows(200, 3, 7, defaults, 1), 64, "an odd width: chunks begin where a binding may");
  t.equal(chunkRows(200, 100, 7, defaults, 1), 16, "and no larger than that takes");
  for (const [dim, budget] of [
    [64, 10_000],
    [3, 1],
    [48, 77_777],
  ] as const) {
    const chunk = chunkRows(1000, dim, 10, defaults, budget);
    t.ok(
      chunk === 1000 || (chunk * dim) % 64 === 0,
      `${dim} columns: every chunk's hidden rows can be bound`,
    );
  }
  await t.throwsMessage(
    () => chunkRows(100, 1, 2 ** 20, { maxBufferSize: 2 ** 27, maxStorageBufferBindingSize: 2 ** 27 }),
    /headLoss.*64 rows of 1048576/,
    "rows too long for the device are named",
  );
});

test("the vocabulary of CLIP under the default limits", async (t) => {
  const device = await plainDevice();
  t.equal(device.limits.maxStorageBufferBindingSize, 2 ** 27, "bindings of 128 MiB");
  t.equal(device.limits.maxBufferSize, 2 ** 28, "buffers of 256 MiB");
  const gpu = Gpu.from(device, { software: true });
  // All logits together would be 228 MB, more than a binding may be.
  const [rows, width, channels] = [1152, 49_408, 4];
  const { head, targets, dispose } = problem(gpu, rows, width, channels);
  await t.throwsMessage(
    () => linear(head.hidden, head.weight, head.bias),
    /allows a storage buffer 128\.0 MiB/,
    "the logits do not fit into a buffer",
  );
  gpu.resetPeakMemory();
  const before = gpu.memory.liveBytes;
  const { loss, terms } = gpu.scope(() => {
    const result = headKlLoss(head, targets, { lambda: 0.01 });
    backward(result.loss);
    return { loss: result.loss.detach(), terms: result.terms };
  });
  const peak = gpu.memory.peakBytes - before;
  t.comment(`peak ${(peak / 2 ** 20).toFixed(1)} MiB besides the inputs`);
  t.ok(peak < 45 * 2 ** 20, "a chunk of logits and little else");
  const values = await terms.read();
  const mean = values.subarray(2 * rows).reduce((sum, x) => sum + x, 0);
  t.near([await loss.item()], [mean], { rel: 1e-5 }, "the loss is the sum of the terms");
  const hidden = await head.hidden.read();
  const [weight, bias] = [await head.weight.read(), await head.bias.read()];
  for (const row of [0, rows - 1]) {
    const logits = logitsOf(
      Float64Array.from(hidden.subarray(row * channels, (row + 1) * channels)),
      Float64Array.from(weight),
      Float64Array.from(bias),
      channels,
    )[0]!;
    const token = (row * 5 + 1) % width;
    t.near(
      [values[rows + row]!],
      [-Math.log(softmax(logits)[token]!)],
      { rel: 1e-5 },
      `-log p̃ of row ${row}`,
    );
  }
  const sums = (await head.bias.grad!.read()).reduce((sum, x) => sum + x, 0);
  t.near([sums], [0], { abs: 1e-5 }, "the gradient of the logits sums to zero");
  for (const tensor of [loss, terms]) tensor.dispose();
  dispose();
  await gpu.idle();
  gpu.dispose();
  device.destroy();
});

test("head and loss: wrong shapes are named", async (t, gpu) => {
  const table = transitionTable(gpu, new Schedule({ tokens: 5, steps: 4 }));
  const ids = fromArray(gpu, [1, 1, 1], [3], "u32");
  const hidden = fromArray(gpu, randomArray(1, 12), [3, 4]);
  const weight = fromArray(gpu, randomArray(2, 20), [4, 5]);
  const bias = fromArray(gpu, randomArray(3, 4), [4]);
  const targets = { x0: ids, xt: ids, t: ids, coefficients: table.coefficients };
  await t.throwsMessage(
    () => headKlLoss({ hidden, weight, bias }, targets),
    /headKlLoss.*\[3, 4\].*\[4, 5\].*bias \[4\]/,
    "bias",
  );
  await t.throwsMessage(
    () => headCrossEntropy({ hidden: weight, weight, bias: null }, ids),
    /headCrossEntropy.*\[4, 5\]/,
    "inner dimension",
  );
  await t.throwsMessage(
    () => headKlLoss({ hidden: weight.transpose(), weight, bias: null }, targets),
    /klLoss.*5 rows, x0 \[3\]/,
    "rows",
  );
  for (const tensor of [ids, hidden, weight, bias, table]) tensor.dispose();
});
