/** The LSTM after its products: one step, and a sequence of steps as one op (shaders/lstm/lstm.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { copyStrided } from "../tensor/strided.js";
import { noGrad, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { linear, linearGradients } from "./matmul.js";

/** The state that an LSTM passes from step to step, [B, H] each. */
export interface LstmState {
  hidden: Tensor;
  cell: Tensor;
}

function shown({ label, shape }: Tensor): string {
  return `${label} [${shape.join(", ")}]`;
}

function checkState(op: string, tensor: Tensor, batch: number, width: number): void {
  if (tensor.rank !== 2 || tensor.shape[0] !== batch || tensor.shape[1] !== width)
    throw new ShapeError(
      op,
      `${shown(tensor)} must be [${batch}, ${width}]: a hidden and a cell state for gates 4·${width} wide`,
    );
}

/**
 * One step from its gates z = x·W + h·U + b [B, 4H], in the order input, forget, candidate, output, and the cell state [B, H]:
 *
 *   c' = σ(z_f) c + σ(z_i) tanh(z_g),  h' = σ(z_o) tanh(c')
 *
 * One dispatch forward and one backward, which recomputes the gates. Differentiable in both.
 */
export function lstmCell(gates: Tensor, cell: Tensor): LstmState {
  const op = "lstmCell";
  checkTensors(op, "f32", gates, cell);
  const [batch, four] = gates.shape as [number, number];
  const width = four / 4;
  if (gates.rank !== 2 || !Number.isInteger(width))
    throw new ShapeError(op, `the gates ${shown(gates)} must be [B, 4·H]`);
  checkState(op, cell, batch, width);
  const { gpu } = gates;
  const { cellForward, cellBackward } = kernels.lstm;
  const params = { batch, width, steps: 1, step: 0, accumulate_gates: 0, accumulate_cell: 0 };
  const groupsOf = (kernel: typeof cellForward | typeof cellBackward) =>
    gpu.groups1d(batch * width, gpu.tunables<{ WORKGROUP: number }>(kernel).WORKGROUP);
  const state = empty(gpu, [2, batch, width], "f32", op);
  gpu.run(cellForward, { gates, cell, state }, params, { groups: groupsOf(cellForward) });
  record(op, [gates, cell], state, (save) => {
    const [z, c] = [save(gates), save(cell)];
    return (dy, grads) => {
      const sinkOf = (i: number, shape: readonly number[]) =>
        grads.needs(i) ? grads.sink(i) : { tensor: empty(gpu, shape, "f32", "unused"), accumulate: false };
      const [dgates, dcell] = [sinkOf(0, gates.shape), sinkOf(1, cell.shape)];
      gpu.run(
        cellBackward,
        { gates: z, cell: c, dstate: dy, dgates: dgates.tensor, dcell: dcell.tensor },
        {
          ...params,
          accumulate_gates: dgates.accumulate ? 1 : 0,
          accumulate_cell: dcell.accumulate ? 1 : 0,
        },
        { groups: groupsOf(cellBackward) },
      );
    };
  });
  const [hidden, next] = [0, 1].map((i) => state.slice(0, i, 1).reshape([batch, width])) as [Tensor, Tensor];
  return { hidden, cell: next };
}

/** The result of `lstm`. */
export interface LstmResult {
  /** `[T, B, H]`: the hidden state after each step. */
  outputs: Tensor;
  /** The state after the last step. */
  state: LstmState;
}

/**
 * T steps of an LSTM: z_t = gates_t + h·U, then as `lstmCell`. `gates` [T, B, 4H] are the terms x·W + b from the inputs of all
 * steps, `recurrent` U is [H, 4H]; the initial state is 0 by default. Two dispatches per step, forward and backward; the
 * gradient of U is one product over all steps. Differentiable in gates, U and the initial state.
 */
export function lstm(gates: Tensor, recurrent: Tensor, initial: LstmState | null = null): LstmResult {
  const op = "lstm";
  const given = initial ? [initial.hidden, initial.cell] : [];
  checkTensors(op, "f32", gates, recurrent, ...optional(given[0]), ...optional(given[1]));
  const [steps, batch, four] = gates.shape as [number, number, number];
  const width = recurrent.shape[0]!;
  if (gates.rank !== 3 || recurrent.rank !== 2 || recurrent.shape[1] !== 4 * width || four !== 4 * width)
    throw new ShapeError(
      op,
      `the gates ${shown(gates)} must be [T, B, 4·H] and the recurrent weight ${shown(recurrent)} [H, 4·H]`,
    );
  for (const tensor of given) checkState(op, tensor, batch, width);
  const { gpu } = gates;
  const size = batch * width;
  const { sequenceForward, sequenceBackward } = kernels.lstm;
  const params = { batch, width, steps, step: 0, accumulate_gates: 0, accumulate_cell: 0 };
  // Hidden and cell states of all steps, from the initial ones on.
  const memory = empty(gpu, [2, steps + 1, batch, width], "f32", op);
  const kept = empty(gpu, [steps, batch, 4 * width], "f32", `${op} gates`);
  const stateShape = [batch, width];
  [0, (steps + 1) * size].forEach((offset, i) => {
    const place = memory.alias(stateShape, [width, 1], offset);
    if (given[i]) copyStrided(given[i], place, { accumulate: false });
    else gpu.clearBuffer(memory.storage, offset * 4, size * 4);
    place.dispose();
  });
  /** A step's rows of [T, B, n], or the hidden state before it. */
  const rowsOf = (all: Tensor, step: number, columns: number) =>
    all.alias([batch, columns], [columns, 1], all.offset + step * batch * columns);
  noGrad(() => {
    for (let step = 0; step < steps; step++) {
      const [hidden, own] = [
        rowsOf(memory, step, width),
        gates.slice(0, step, 1).reshape([batch, 4 * width]),
      ];
      const z = linear(hidden, recurrent, null, { residual: own });
      gpu.run(
        sequenceForward,
        { gates: z, memory: memory.storage, kept: kept.storage },
        { ...params, step },
        { groups: gpu.groups1d(size, gpu.tunables(sequenceForward).WORKGROUP) },
      );
      for (const tensor of [hidden, own, z]) tensor.dispose();
    }
  });
  record(op, [gates, recurrent, ...given], memory, (save) => {
    const [savedMemory, savedGates, weight] = [save(memory), save(kept), save(recurrent)];
    return (dy, grads) => {
      const dgates = empty(gpu, [steps, batch, 4 * width], "f32", `${op} gradient of gates`);
      const dhidden = empty(gpu, stateShape, "f32", `${op} gradient of the hidden state`);
      const dcell = empty(gpu, stateShape, "f32", `${op} gradient of the cell state`);
      for (let step = steps - 1; step >= 0; step--) {
        gpu.run(
          sequenceBackward,
          {
            saved_gates: savedGates,
            saved_memory: savedMemory,
            dmemory: dy,
            dhidden,
            dcell,
            dgates,
          },
          { ...params, step },
          {
            groups: gpu.groups1d(size, gpu.tunables(sequenceBackward).WORKGROUP),
            variant: { FIRST: step === steps - 1 },
          },
        );
        if (step === 0 && !(initial && grads.needs(2))) break;
        const [hidden, dz] = [rowsOf(savedMemory, step, width), rowsOf(dgates, step, 4 * width)];
        const input = { tensor: dhidden, accumulate: false };
        linearGradients(hidden, weight, dz, { input, weight: null, bias: null });
        hidden.dispose();
        dz.dispose();
      }
      if (grads.needs(1)) {
        const before = savedMemory.alias([steps * batch, width], [width, 1], savedMemory.offset);
        linearGradients(before, weight, dgates, { input: null, weight: grads.sink(1), bias: null });
        before.dispose();
      }
      if (grads.needs(0)) grads.give(0, dgates);
      if (initial && grads.needs(2)) grads.give(2, dhidden);
      if (initial && grads.needs(3)) grads.give(3, dcell);
    };
  });
  const [hiddens, cells] = [0, 1].map((i) => memory.slice(0, i, 1).reshape(memory.shape.slice(1))) as [
    Tensor,
    Tensor,
  ];
  const last = (all: Tensor) => all.slice(0, steps, 1).reshape(stateShape);
  return { outputs: hiddens.slice(0, 1, steps), state: { hidden: last(hiddens), cell: last(cells) } };
}
