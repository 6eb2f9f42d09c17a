/** An LSTM in float64, straight from the formula in shaders/lstm/lstm.wgsl. */

import { sigmoid } from "./dense.js";

/** gates [B, 4H] in the order i, f, g, o, cell [B, H] → hidden and cell [B, H]. */
export function lstmCell(
  gates: Float64Array,
  cell: Float64Array,
  width: number,
): { hidden: Float64Array; cell: Float64Array } {
  const hidden = new Float64Array(cell.length);
  const next = new Float64Array(cell.length);
  for (let i = 0; i < cell.length; i++) {
    const first = Math.floor(i / width) * 4 * width + (i % width);
    const [zi, zf, zg, zo] = [0, 1, 2, 3].map((k) => gates[first + k * width]!) as [
      number,
      number,
      number,
      number,
    ];
    next[i] = sigmoid(zf) * cell[i]! + sigmoid(zi) * Math.tanh(zg);
    hidden[i] = sigmoid(zo) * Math.tanh(next[i]!);
  }
  return { hidden, cell: next };
}

/** gates [T, B, 4H], U [H, 4H] → outputs [T, B, H], then the last hidden and cell state. */
export function lstm(
  gates: Float64Array,
  recurrent: Float64Array,
  size: { steps: number; batch: number; width: number },
  initial?: { hidden: Float64Array; cell: Float64Array },
): Float64Array {
  const { steps, batch, width } = size;
  let state = initial ?? {
    hidden: new Float64Array(batch * width),
    cell: new Float64Array(batch * width),
  };
  const outputs: number[] = [];
  for (let t = 0; t < steps; t++) {
    const z = gates.slice(t * batch * 4 * width, (t + 1) * batch * 4 * width);
    for (let b = 0; b < batch; b++)
      for (let j = 0; j < 4 * width; j++)
        for (let i = 0; i < width; i++)
          z[b * 4 * width + j]! += state.hidden[b * width + i]! * recurrent[i * 4 * width + j]!;
    state = lstmCell(z, state.cell, width);
    outputs.push(...state.hidden);
  }
  return Float64Array.from([...outputs, ...state.hidden, ...state.cell]);
}
