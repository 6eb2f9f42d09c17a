import { concat } from "../../../dist/engine/ops/copy.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import { lstm, lstmCell } from "../../../dist/engine/ops/lstm.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor, zeros } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/lstm.js";

const tolerance = { forward: { abs: 2e-6, rel: 1e-5 }, gradient: { abs: 2e-5, rel: 1e-4 } };

for (const [batch, width] of [
  [1, 1],
  [3, 5],
  [2, 17],
  [1, 64],
  [4, 32],
] as const) {
  test(`LSTM cell, ${batch} × ${width}`, async (t, gpu) => {
    const gates = { shape: [batch, 4 * width], data: randomArray(1, batch * 4 * width, 2) };
    const cell = { shape: [batch, width], data: randomArray(2, batch * width) };
    const join = ({ hidden, cell }: { hidden: Tensor; cell: Tensor }) => concat([hidden, cell], 0);
    const expected = (z: Float64Array, c: Float64Array) => {
      const next = reference.lstmCell(z, c, width);
      return Float64Array.from([...next.hidden, ...next.cell]);
    };
    await checkOp(t, gpu, "hidden and cell", {
      inputs: [gates, cell],
      gpu: (z, c) => join(lstmCell(z!, c!)),
      reference: (z, c) => expected(z!, c!),
      tolerance,
    });
    await checkOp(t, gpu, "the hidden state alone, used twice", {
      inputs: [gates, cell],
      gpu: (z, c) => add(lstmCell(z!, c!).hidden, lstmCell(z!, c!).hidden),
      reference: (z, c) => reference.lstmCell(z!, c!, width).hidden.map((h) => 2 * h),
      tolerance,
    });
    await checkOp(t, gpu, "by the gates alone", {
      inputs: [gates, cell],
      gpu: (z, c) => lstmCell(z!, c!).cell,
      reference: (z, c) => reference.lstmCell(z!, c!, width).cell,
      tolerance,
      gradientOf: [true, false],
    });
  });
}

test("LSTM cell: gates far out stay finite", async (t, gpu) => {
  const gates = fromArray(gpu, [200, -200, 200, 200, -200, 200, -200, -200], [2, 4]).requireGrad();
  const cell = fromArray(gpu, [3, 3], [2, 1]);
  const dy = fromArray(gpu, [1, 1], [2, 1]);
  const { hidden, cell: next } = gpu.scope(() => {
    const state = lstmCell(gates, cell);
    backwardFrom(state.hidden, dy);
    return { hidden: state.hidden.detach().keep(), cell: state.cell.detach().keep() };
  });
  t.near(await next.read(), [1, 3], { abs: 1e-6 }, "cell");
  t.near(await hidden.read(), [Math.tanh(1), 0], { abs: 1e-6 }, "hidden");
  t.near(await gates.grad!.read(), new Float64Array(8), { abs: 1e-6 }, "gradient: saturated");
  for (const tensor of [gates.grad!, gates, cell, dy, hidden, next]) tensor.dispose();
});

for (const [steps, batch, width] of [
  [1, 2, 3],
  [4, 1, 5],
  [3, 2, 4],
  [5, 2, 32],
] as const) {
  test(`LSTM over ${steps} steps, ${batch} × ${width}`, async (t, gpu) => {
    const size = { steps, batch, width };
    const input = (seed: number, ...shape: number[]) => ({
      shape,
      data: randomArray(
        seed,
        shape.reduce((a, b) => a * b),
        0.7,
      ),
    });
    const gates = input(1, steps, batch, 4 * width);
    const recurrent = input(2, width, 4 * width);
    // Not all of a wide weight by finite differences, which would take minutes.
    const gradientOf = width < 32 ? [true, true, true, true] : [true, false, true, true];
    const all = ({ outputs, state }: ReturnType<typeof lstm>) => {
      const rows = (x: Tensor) => x.reshape([x.size]);
      return concat([rows(outputs), rows(state.hidden), rows(state.cell)], 0);
    };
    await checkOp(t, gpu, "from a state", {
      inputs: [gates, recurrent, input(3, batch, width), input(4, batch, width)],
      gpu: (z, u, hidden, cell) => all(lstm(z!, u!, { hidden: hidden!, cell: cell! })),
      reference: (z, u, hidden, cell) => reference.lstm(z!, u!, size, { hidden: hidden!, cell: cell! }),
      tolerance,
      gradientOf,
    });
    await checkOp(t, gpu, "from 0, used twice", {
      inputs: [gates, recurrent],
      gpu: (z, u) => add(all(lstm(z!, u!)), all(lstm(z!, u!))),
      reference: (z, u) => reference.lstm(z!, u!, size).map((y) => 2 * y),
      tolerance,
      gradientOf: gradientOf.slice(0, 2),
    });
    await checkOp(t, gpu, "the last cell state alone", {
      inputs: [gates, recurrent],
      gpu: (z, u) => lstm(z!, u!).state.cell,
      reference: (z, u) => reference.lstm(z!, u!, size).slice(-batch * width),
      tolerance,
      gradientOf: gradientOf.slice(0, 2),
    });
  });
}

test("LSTM: two dispatches a step, forward and backward", async (t, gpu) => {
  const [steps, batch, width] = [6, 2, 32];
  const z = zeros(gpu, [steps, batch, 4 * width]).requireGrad();
  const u = zeros(gpu, [width, 4 * width]).requireGrad();
  const dy = zeros(gpu, [steps, batch, width]);
  const counted = (body: () => void) => {
    const before = gpu.counters.dispatches;
    body();
    gpu.flush();
    return gpu.counters.dispatches - before;
  };
  await gpu.idle();
  const tensors = { outputs: null as Tensor | null };
  const forward = counted(() => {
    tensors.outputs = lstm(z, u).outputs;
  });
  const backward = counted(() => backwardFrom(tensors.outputs!, dy));
  await gpu.idle();
  t.equal(forward, 2 * steps, "forward: a product and the gates");
  t.ok(backward <= 2 * steps + 3, `backward: ${backward}, two a step and the weight's gradient`);
  for (const tensor of [z.grad!, u.grad!, z, u, dy, tensors.outputs!]) tensor.dispose();
});

test("LSTM says what does not fit", async (t, gpu) => {
  const [gates, cell, odd, sequence, weight] = [
    zeros(gpu, [2, 12]),
    zeros(gpu, [2, 4]),
    zeros(gpu, [2, 5]),
    zeros(gpu, [3, 2, 12]),
    zeros(gpu, [3, 8]),
  ];
  await t.throwsMessage(() => lstmCell(odd!, cell!), /gates tensor \[2, 5\] must be \[B, 4·H\]/, "gates");
  await t.throwsMessage(() => lstmCell(gates!, cell!), /\[2, 4\] must be \[2, 3\]/, "cell");
  await t.throwsMessage(
    () => lstm(sequence!, weight!),
    /recurrent weight tensor \[3, 8\] \[H, 4·H\]/,
    "weight",
  );
  const fitting = zeros(gpu, [3, 12]);
  await t.throwsMessage(
    () => lstm(sequence!, fitting, { hidden: cell!, cell: cell! }),
    /\[2, 4\] must be \[2, 3\]/,
    "state",
  );
  for (const tensor of [gates, cell, odd, sequence, weight, fitting]) tensor!.dispose();
});
