/**
 * The base of optimisers over groups of parameters: they take modules or tensors, move them into few buffers
 * (nn/parameters.ts), and update all of them in one dispatch per buffer, each group with its own rates
 * (shaders/optim/optimizers.wgsl).
 */

import type { Gpu } from "../../gpu/gpu.js";
import type { Float } from "../../gpu/kernel.js";
import * as kernels from "../../gpu/kernels.generated.js";
import { Module, type Parameter } from "../../nn/module.js";
import { blockElements, PackedParameters } from "../../nn/parameters.js";
import { ArgumentError } from "../../tensor/errors.js";
import { clear, Tensor, untracked } from "../../tensor/tensor.js";
import type { Schedule } from "../schedules.js";
import { UnsetParameters } from "./unset.js";

/** Parameters with their own rates. */
export interface ParameterGroup {
  parameters: Module | readonly Tensor<Float>[];
  /** A rate, or a function of the step's number. Default: the optimiser's. */
  learningRate?: number | Schedule;
  /** Default: the optimiser's. */
  weightDecay?: number;
}

/** A module's trained parameters, tensors that require gradients, or groups of either with their own rates. */
export type Trained = Module | readonly Tensor<Float>[] | readonly ParameterGroup[];

/** Options of every optimiser. */
export interface OptimizerOptions {
  /** A rate, or a function of the step's number, counted from 1. */
  learningRate: number | Schedule;
  /** Applies to parameters that decay: those that a module declares so, and tensors with at least two axes. Default 0. */
  weightDecay?: number;
  /** Largest L2 norm of the gradient, over all groups. Default 0: no clipping, and no norm is computed. */
  clip?: number;
}

interface Rates {
  learningRate: number | Schedule;
  weightDecay: number;
}

/** A group's parameters as a module, the type that `PackedParameters` takes. */
class ParameterList extends Module {
  readonly #list: readonly Parameter[];

  constructor(gpu: Gpu, list: readonly Parameter[]) {
    super(gpu);
    this.#list = list;
  }

  override parameters(): Parameter[] {
    return [...this.#list];
  }
}

function listOf(op: string, group: Module | readonly Tensor<Float>[]): Parameter[] {
  if (group instanceof Module) {
    const found = group.parameters().filter(({ trained }) => trained);
    if (found.length > 0) return found;
    throw new ArgumentError(
      op,
      `${group.constructor.name} has no parameters; its constructor declares layers by this.child(name, layer) and tensors by this.parameter(…)`,
    );
  }
  return group.map((tensor, i) => {
    if (!(tensor instanceof Tensor)) throw new ArgumentError(op, `parameter ${i} is not a tensor`);
    return {
      name: tensor.label,
      tensor,
      initialiser: () => new Float32Array(0),
      trained: true,
      decay: tensor.rank >= 2,
    };
  });
}

/** The groups of what the caller gave. Throws an `ArgumentError` for anything but `Trained`. */
function groupsOf(op: string, trained: Trained): readonly ParameterGroup[] {
  if (trained instanceof Module) return [{ parameters: trained }];
  if (Array.isArray(trained) && trained[0] instanceof Tensor)
    return [{ parameters: trained as readonly Tensor<Float>[] }];
  const isGroup = (group: unknown) => {
    const { parameters } = (group ?? {}) as Partial<ParameterGroup>;
    return parameters instanceof Module || Array.isArray(parameters);
  };
  if (Array.isArray(trained) && trained.every(isGroup)) return trained as readonly ParameterGroup[];
  throw new ArgumentError(
    op,
    "it takes a module, a list of tensors, or a list of groups { parameters: module or tensors }",
  );
}

/** Throws an `ArgumentError` if an optimiser was made without options. */
export function checkOptions(op: string, options: OptimizerOptions | undefined): void {
  if (!options)
    throw new ArgumentError(op, `its options are missing: new ${op}(model, { learningRate: 1e-3 })`);
}

function checkRate(op: string, rate: unknown): void {
  if (typeof rate === "function" || Number.isFinite(rate)) return;
  throw new ArgumentError(
    op,
    `learningRate is ${typeof rate === "string" ? `"${rate}"` : rate}; give a number, or a function of the step such as cosineRate(…): new ${op}(model, { learningRate: 1e-3 })`,
  );
}

function check(op: string, parameters: readonly Parameter[]): void {
  const seen = new Set<Tensor<Float>>();
  for (const { name, tensor } of parameters) {
    const shown = `${name} [${tensor.shape.join(", ")}]`;
    if (!tensor.isLeafWithGrad)
      throw new ArgumentError(op, `${shown} does not require a gradient; call requireGrad() on it first`);
    if (!tensor.contiguous) throw new ArgumentError(op, `${shown} is a strided view, not a parameter`);
    if (tensor.gpu !== parameters[0]!.tensor.gpu)
      throw new ArgumentError(op, `${shown} is not on the Gpu of ${parameters[0]!.name}`);
    if (seen.has(tensor)) throw new ArgumentError(op, `${shown} is given twice`);
    seen.add(tensor);
  }
}

/** Partial sums of a pack's norm, as in shaders/optim/adamw.wgsl. */
const partials = 1024;
/** Invocations per workgroup if each invocation makes one partial sum: enough workgroups for a software adapter's cores. */
const laneWorkgroup = 64;
/** Numbers in a row of rates, as in shaders/optim/optimizers.wgsl. */
const rowLength = 4;

/** The bindings of one pack for a step's kernels. */
export interface PackBindings {
  weights: Tensor;
  gradients: Tensor;
  block_rates: Tensor<"u32">;
  rates: Tensor;
  state: Tensor;
}

/** Updates all parameters passed to the constructor: `zeroGrad`, `backward(loss)`, `step`. */
export abstract class Optimizer {
  readonly gpu: Gpu;
  /** Steps taken. Set it when training resumes from a checkpoint: schedules and bias corrections depend on it. */
  stepsTaken = 0;
  /** [3], with `clip`: the gradient's norm before clipping, 1 if the step was skipped because that is not finite, the factor. */
  readonly norm: Tensor | null;
  /** The buffers that now hold the parameters, with their gradients. */
  protected readonly packs: readonly PackedParameters[];
  readonly #groups: readonly Rates[];
  readonly #clip: number;
  readonly #blockRates: readonly Tensor<"u32">[];
  /** One row for the step, then two for each group: parameters that decay, and those that do not. */
  readonly #rates: Tensor;
  readonly #rateValues: Float32Array;
  readonly #state: Tensor;
  readonly #partials: Tensor | null;
  readonly #packPartials: readonly Tensor[];
  #unset: UnsetParameters | null;

  protected constructor(op: string, trained: Trained, options: OptimizerOptions) {
    const given = groupsOf(op, trained);
    const { learningRate, weightDecay = 0, clip = 0 } = options;
    for (const group of given) checkRate(op, group.learningRate ?? learningRate);
    const lists = given.map(({ parameters }) => listOf(op, parameters));
    const all = lists.flat();
    const [first] = all;
    if (!first) throw new ArgumentError(op, "no parameters were given");
    check(op, all);
    const { gpu } = first.tensor;
    this.gpu = gpu;
    this.#clip = clip;
    this.#groups = given.map((group) => ({
      learningRate: group.learningRate ?? learningRate,
      weightDecay: group.weightDecay ?? weightDecay,
    }));
    const rowOf = new Map<Tensor<Float>, number>();
    lists.forEach((list, i) => {
      for (const { tensor, decay } of list) rowOf.set(tensor, 1 + 2 * i + (decay ? 0 : 1));
    });
    for (const { tensor } of all) {
      tensor.grad?.dispose();
      tensor.grad = null;
      tensor.gradIsCurrent = false;
    }
    this.packs = PackedParameters.of(new ParameterList(gpu, withUniqueNames(all)));
    this.#unset = new UnsetParameters(op, all, given);
    this.#blockRates = this.packs.map(({ parameters, values }) => {
      const rows = parameters.flatMap(({ tensor }) =>
        new Array<number>(Math.ceil(tensor.size / blockElements)).fill(rowOf.get(tensor)!),
      );
      const tensor = untracked(gpu, [values.size / blockElements], "u32", "rates of blocks");
      tensor.write(Uint32Array.from(rows));
      return tensor;
    });
    this.#rateValues = new Float32Array(rowLength * (1 + 2 * given.length));
    this.#rates = untracked(gpu, [this.#rateValues.length], "f32", "rates");
    this.#state = untracked(gpu, [7], "f32", "optimizer state");
    // Without clipping no step is skipped and the factor is 1.
    this.#state.write([0, 0, 0, 0, 0, 0, 1]);
    this.norm = clip > 0 ? this.#state.alias([3], [1], 4) : null;
    this.#partials = clip > 0 ? untracked(gpu, [this.packs.length * partials], "f32", "norm partials") : null;
    this.#packPartials = this.#partials
      ? this.packs.map((_, i) => this.#partials!.alias([partials], [1], i * partials))
      : [];
  }

  /** A tensor [n] of zeros for each pack: moments and the like. */
  protected moments(label: string): Tensor[] {
    return this.packs.map(({ values }) => {
      const tensor = untracked(this.gpu, [values.size], "f32", label);
      clear(tensor);
      return tensor;
    });
  }

  /** The first two numbers of `rates`, for step `step`. */
  protected corrections(_step: number): readonly [number, number] {
    return [1, 1];
  }

  /** Records the step of one pack. */
  protected abstract run(pack: number, bindings: PackBindings): void;

  /** The learning rate of a group at step `step`. */
  rateAt(step: number, group = 0): number {
    const { learningRate } = this.#groups[group]!;
    return typeof learningRate === "number" ? learningRate : learningRate(step);
  }

  /** Makes the next backward pass overwrite the gradients instead of adding to them. */
  zeroGrad(): void {
    for (const pack of this.packs) pack.zeroGrad();
  }

  /** Takes a step from the current gradients: `advance`, then `apply`. */
  step(): void {
    this.advance();
    this.apply();
  }

  /**
   * Counts a step and writes its rates, after all work recorded so far. Call it before each run of captured work. The first step
   * throws an `ArgumentError` if a parameter has no values yet.
   */
  advance(): void {
    this.#unset?.check();
    this.#unset = null;
    this.stepsTaken++;
    const step = this.stepsTaken;
    this.#rateValues.set(this.corrections(step));
    this.#groups.forEach(({ weightDecay }, i) => {
      const rate = this.rateAt(step, i);
      const row = rowLength * (1 + 2 * i);
      this.#rateValues.set([rate, weightDecay], row);
      this.#rateValues.set([rate, 0], row + rowLength);
    });
    this.#rates.write(this.#rateValues);
  }

  /**
   * Records the step with the rates that `advance` wrote; captured work may contain it. Parameters that the backward pass did
   * not reach have gradient 0. One dispatch for each buffer of parameters (usually one), two more with `clip`.
   */
  apply(): void {
    const { packs } = this;
    for (const pack of packs) pack.completeGradients();
    if (this.#partials) this.#computeNorm(this.#partials);
    packs.forEach((pack, i) => {
      this.run(i, {
        weights: pack.values,
        gradients: pack.gradients,
        block_rates: this.#blockRates[i]!,
        rates: this.#rates,
        state: this.#state,
      });
      pack.round();
    });
  }

  #computeNorm(sums: Tensor): void {
    const { gpu } = this;
    const { sumOfSquares, finishNorm } = kernels.adamw;
    const variant = { BY_LANE: gpu.software };
    const tune = gpu.software ? { WORKGROUP: laneWorkgroup } : {};
    const params = { beta1: 0, beta2: 0, epsilon: 0, weight_decay: 0, clip: this.#clip };
    this.packs.forEach(({ gradients }, i) => {
      gpu.run(
        sumOfSquares,
        { gradients, partials: this.#packPartials[i]! },
        { ...params, count: gradients.size / 4 },
        { groups: [gpu.software ? partials / laneWorkgroup : partials], variant, tune },
      );
    });
    gpu.run(
      finishNorm,
      { partials: sums, state_written: this.#state },
      { ...params, count: sums.size },
      { groups: [1], variant, tune },
    );
  }

  /** The grid of a step, four parameters per invocation. */
  protected grid(pack: number, workgroup: number): { count: number; groups: [number, number, number] } {
    const count = this.packs[pack]!.values.size / 4;
    return { count, groups: this.gpu.groups1d(count, workgroup) };
  }

  /** Frees gradients, moments and tables. The parameters keep their values. */
  dispose(): void {
    for (const pack of this.packs) pack.dispose();
    const own = [this.#rates, this.#state, ...this.#blockRates, ...this.#packPartials];
    for (const tensor of [...own, this.norm, this.#partials]) tensor?.dispose();
  }
}

/** Makes the names of parameters unique: a duplicate gets its position appended. */
function withUniqueNames(parameters: readonly Parameter[]): Parameter[] {
  const seen = new Set<string>();
  return parameters.map((parameter, i) => {
    const name = seen.has(parameter.name) ? `${parameter.name} ${i}` : parameter.name;
    seen.add(name);
    return { ...parameter, name };
  });
}
