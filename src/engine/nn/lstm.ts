/** LSTM layers: one step, and sequences. */

import type { Gpu } from "../gpu/gpu.js";
import { type LstmState, lstm, lstmCell } from "../ops/lstm.js";
import { linear } from "../ops/matmul.js";
import { ShapeError } from "../tensor/errors.js";
import { type Tensor, zeros } from "../tensor/tensor.js";
import { fanIn, type Initialiser } from "./initialisers.js";
import { Module } from "./module.js";

/** 1 for the forget gates, so that at first most of the state is kept (Jozefowicz et al. 2015); 0 for the others. */
const forgetNothing: Initialiser = ([length]) => {
  const width = length! / 4;
  return new Float32Array(length!).fill(1, width, 2 * width);
};

/** The parameters of both: weight [inputs, 4·width], recurrent [width, 4·width], bias [4·width]; gates i, f, g, o. */
abstract class LstmModule extends Module {
  readonly inputs: number;
  readonly width: number;
  readonly weight: Tensor;
  readonly recurrent: Tensor;
  readonly bias: Tensor;

  constructor(gpu: Gpu, inputs: number, width: number) {
    super(gpu);
    this.inputs = inputs;
    this.width = width;
    this.weight = this.parameter("weight", [inputs, 4 * width], fanIn());
    this.recurrent = this.parameter("recurrent", [width, 4 * width], fanIn());
    this.bias = this.parameter("bias", [4 * width], forgetNothing);
  }
}

/** One step of an LSTM: two products and one more dispatch. For sequences known in advance, `Lstm` takes fewer. */
export class LstmCell extends LstmModule {
  /** x [B, inputs] and the previous state, [B, width] each (default 0) → the next state; its `hidden` is the output. */
  forward(x: Tensor, state: LstmState | null = null): LstmState {
    return this.gpu.scope(() => {
      const own = linear(x, this.weight, this.bias);
      if (!state) return lstmCell(own, zeros(this.gpu, [x.shape[0]!, this.width], "f32", "cell state"));
      return lstmCell(linear(state.hidden, this.recurrent, null, { residual: own }), state.cell);
    });
  }
}

/** An LSTM over whole sequences: one product for all inputs, then two dispatches per step. */
export class Lstm extends LstmModule {
  /**
   * x [B, T, inputs] and the initial state, [B, width] each (default 0) → the hidden states of all steps [B, T, width], a view,
   * and the state after the last.
   */
  forward(x: Tensor, initial: LstmState | null = null): { outputs: Tensor; state: LstmState } {
    if (x.rank !== 3) throw new ShapeError("Lstm", `x [${x.shape.join(", ")}] is not [B, T, inputs]`);
    return this.gpu.scope(() => {
      const gates = linear(x.transpose(0, 1), this.weight, this.bias);
      const { outputs, state } = lstm(gates, this.recurrent, initial);
      return { outputs: outputs.transpose(0, 1), state };
    });
  }
}
