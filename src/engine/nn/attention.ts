/** Multi-head attention with its projections: self-attention, or attention to another sequence. */

import type { Gpu } from "../gpu/gpu.js";
import { crossAttention, selfAttention } from "../ops/attention.js";
import { maskedCrossAttention, maskedSelfAttention } from "../ops/masked-attention.js";
import { ArgumentError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import { fanIn, type Initialiser } from "./initialisers.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";

/** Options of `Attention`. */
export interface AttentionModuleOptions {
  /** Channels of the sequence attended to. Without it the module is self-attention. */
  context?: number;
  /** Whether a position attends to no later one. Default false. */
  causal?: boolean;
  /** Whether the projections have biases. Default true. */
  bias?: boolean;
  /** Initial values of the weights. */
  initialiser?: Initialiser;
}

/** Further inputs of `Attention.forward`. */
export interface AttentionInputs {
  /** `[B, S, context]`: the sequence attended to. Required for a module made with `context`, and not allowed otherwise. */
  context?: Tensor;
  /** u32 [B, S]: 1 for keys, 0 for padding. */
  keyMask?: Tensor<"u32">;
  /** u32, broadcast to [B, H, T, S]: 1 where a query may attend to a key. */
  mask?: Tensor<"u32">;
  /** Added to the scores; broadcast to [B, H, T, S]. */
  bias?: Tensor;
  /** Added to the result; of its shape. */
  residual?: Tensor;
}

/**
 * output(softmax(q kᵀ/√D + bias) v) over `heads` heads of D = channels / heads: x [B, T, channels] → the same shape. The queries,
 * keys and values of self-attention are one projection `qkv`; of cross-attention they are `q`, and `kv` of the context.
 */
export class Attention extends Module {
  readonly heads: number;
  readonly causal: boolean;
  readonly #projections: { qkv: Linear } | { q: Linear; kv: Linear };
  readonly #output: Linear;
  readonly #tuned: boolean;

  constructor(gpu: Gpu, channels: number, heads: number, options: AttentionModuleOptions = {}) {
    super(gpu);
    const { context, causal = false, bias = true, initialiser = fanIn() } = options;
    const width = channels / heads;
    if (!Number.isInteger(width) || !Number.isInteger(heads) || heads < 1)
      throw new ArgumentError("Attention", `${channels} channels cannot be split into ${heads} heads`);
    this.heads = heads;
    this.causal = causal;
    this.#tuned = width % 4 === 0 && width <= 512;
    const linear = (name: string, inputs: number, outputs: number) =>
      this.child(name, new Linear(gpu, inputs, outputs, { bias, initialiser }));
    this.#projections =
      context === undefined
        ? { qkv: linear("qkv", channels, 3 * channels) }
        : { q: linear("q", channels, channels), kv: linear("kv", context, 2 * channels) };
    this.#output = linear("output", channels, channels);
  }

  /** x `[B, T, C]` → `[B, T, C]`. */
  forward(x: Tensor, inputs: AttentionInputs = {}): Tensor {
    const { context, residual } = inputs;
    if ("qkv" in this.#projections === (context !== undefined))
      throw new ArgumentError(
        "Attention",
        context ? "a context is given to self-attention" : "cross-attention needs a context",
      );
    return this.gpu.scope(() => {
      const attended = this.#attend(x, inputs);
      return this.#output.forward(attended, residual ? { residual } : {});
    });
  }

  #attend(x: Tensor, { context, keyMask, mask, bias }: AttentionInputs): Tensor {
    const { heads, causal } = this;
    const projections = this.#projections;
    if (keyMask && mask)
      throw new ArgumentError("Attention", "give keyMask or mask, not both: a mask can hide padding, too");
    // The tuned kernels apply if there is no mask other than that of padded keys.
    if (this.#tuned && !causal && !mask && !bias) {
      const options = keyMask ? { mask: keyMask } : {};
      return "qkv" in projections
        ? selfAttention(projections.qkv.forward(x), heads, options).output
        : crossAttention(projections.q.forward(x), projections.kv.forward(context!), heads, options).output;
    }
    const seen = keyMask ? keyMask.reshape([keyMask.shape[0]!, 1, 1, -1]) : (mask ?? null);
    const options = { causal, mask: seen, bias: bias ?? null };
    return "qkv" in projections
      ? maskedSelfAttention(projections.qkv.forward(x), heads, options).output
      : maskedCrossAttention(projections.q.forward(x), projections.kv.forward(context!), heads, options)
          .output;
  }
}
