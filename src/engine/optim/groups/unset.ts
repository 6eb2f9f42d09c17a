/** Finds parameters without values before the first step: a model that was not initialised, a layer that was not declared. */

import type { Float } from "../../gpu/kernel.js";
import { Module, type Parameter } from "../../nn/module.js";
import { ArgumentError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";

/** The trained modules and lists of an optimiser. */
type Given = readonly { readonly parameters: Module | readonly Tensor<Float>[] }[];

const isUnset = ({ tensor }: Parameter) => tensor.watch?.changed === false;

/** Made after an optimiser has moved its parameters to their places. */
export class UnsetParameters {
  readonly #op: string;
  readonly #given: Given;
  readonly #own: ReadonlySet<Tensor<Float>>;
  /** Those that had no values when the optimiser was made. */
  readonly #unset: readonly Parameter[];

  constructor(op: string, parameters: readonly Parameter[], given: Given) {
    this.#op = op;
    this.#given = given;
    this.#own = new Set(parameters.map(({ tensor }) => tensor));
    this.#unset = parameters.filter(isUnset);
  }

  /** Throws an `ArgumentError` for the first parameter that still has no values. */
  check(): void {
    for (const { parameters } of this.#given)
      if (parameters instanceof Module) this.#checkDeclared(parameters, parameters.constructor.name);
    for (const parameter of this.#unset) {
      const { name, tensor } = parameter;
      if (isUnset(parameter))
        throw new ArgumentError(
          this.#op,
          `${name} [${tensor.shape.join(", ")}] has no values yet; call initialise(seed) on the model, or load weights, before the first step`,
        );
      tensor.storage.unwatch(tensor.watch!);
    }
  }

  /**
   * Looks for modules in the fields of a module that are not among its children. One that has values is meant to stay as it is:
   * a frozen network, or one that another optimiser trains.
   */
  #checkDeclared(module: Module, path: string): void {
    for (const [name, field] of Object.entries(module)) {
      for (const layer of Array.isArray(field) ? field : [field]) {
        if (!(layer instanceof Module)) continue;
        const parameters = layer.parameters().filter(({ trained }) => trained);
        if (parameters.some((parameter) => !this.#own.has(parameter.tensor) && isUnset(parameter)))
          throw new ArgumentError(
            this.#op,
            `${path}.${name} is not declared and has no values; declare each layer in the constructor: this.child("${name}", layer)`,
          );
        this.#checkDeclared(layer, `${path}.${name}`);
      }
    }
  }
}
