/** Modules: named parameters and child modules. A model is a module whose methods are its forward passes. */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import { type Tensor, untracked } from "../tensor/tensor.js";
import type { Initialiser } from "./initialisers.js";

/** A tensor of a module, with its name and its training settings. */
export interface Parameter {
  /** Dotted path from the model, as in its weights file. */
  name: string;
  /** The tensor. Its gradient is float32, whatever the tensor's type. */
  tensor: Tensor<Float>;
  initialiser: Initialiser;
  /** Whether the optimiser changes the tensor. Statistics that the model itself maintains are not trained, but are saved. */
  trained: boolean;
  /** Whether weight decay applies. */
  decay: boolean;
}

/** Options of a parameter. */
export interface ParameterOptions<D extends Float = "f32"> {
  /** Element type; default float32. */
  dtype?: D;
  trained?: boolean;
  /** Whether weight decay applies. Default: tensors with at least two axes decay, biases and norms do not. */
  decay?: boolean;
}

/**
 * Named parameters and child modules. A subclass declares them in its constructor by `parameter` and `child`, and has its
 * forward passes as methods.
 */
export abstract class Module {
  readonly gpu: Gpu;
  readonly #own: Parameter[] = [];
  readonly #children: { name: string; module: Module }[] = [];

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /**
   * Declares a parameter of this shape and returns its tensor. The content is undefined until `initialise` or a weights file
   * sets it.
   */
  protected parameter<D extends Float = "f32">(
    name: string,
    shape: readonly number[],
    initialiser: Initialiser,
    options: ParameterOptions<D> = {},
  ): Tensor<D> {
    const tensor = untracked(this.gpu, shape, options.dtype ?? ("f32" as D), name);
    const trained = options.trained ?? true;
    if (trained) tensor.requireGrad();
    tensor.watch = tensor.storage.watch(tensor.region);
    this.#own.push({ name, tensor, initialiser, trained, decay: options.decay ?? shape.length >= 2 });
    return tensor;
  }

  /** Declares a child module; its parameters are named `name.…`. */
  protected child<M extends Module>(name: string, module: M): M {
    this.#children.push({ name, module });
    return module;
  }

  /** All parameters with their full names, in the order of construction. */
  parameters(prefix = ""): Parameter[] {
    const own = this.#own.map((parameter) => ({ ...parameter, name: prefix + parameter.name }));
    return own.concat(this.#children.flatMap(({ name, module }) => module.parameters(`${prefix}${name}.`)));
  }

  /** The number of trained elements, including those of child modules. */
  get parameterCount(): number {
    return this.parameters().reduce((sum, { tensor, trained }) => sum + (trained ? tensor.size : 0), 0);
  }

  /** Gives every parameter its initial value; each depends only on `seed` and its own name. */
  initialise(seed: number): void {
    for (const { name, tensor, initialiser } of this.parameters()) {
      tensor.label = name;
      tensor.write(initialiser(tensor.shape, seed, name));
    }
  }

  /** Frees all parameters. */
  dispose(): void {
    for (const { tensor } of this.parameters()) {
      tensor.grad?.dispose();
      tensor.dispose();
    }
  }
}
