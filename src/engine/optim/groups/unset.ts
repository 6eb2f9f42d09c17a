/** Finds parameters without values before the first step: a model that was not initialised, a layer that was not declared. */

import type { Float } from "../../gpu/kernel.js";
import type { Watch } from "../../gpu/pool.js";
import { Module, type Parameter } from "../../nn/module.js";
import { ArgumentError } from "../../tensor/errors.js";
import type { Tensor } from "../../tensor/tensor.js";

/** The trained modules and lists of an optimiser. */
type Given = readonly { readonly parameters: Module | readonly Tensor<Float>[] }[];

const isUnset = ({ watch }: Parameter) => watch?.changed === false;

/** Made after an optimiser has moved its parameters to their places. */
export class UnsetParameters {
  readonly #op: string;
  readonly #given: Given;
  readonly #own: ReadonlySet<Tensor<Float>>;
  /** Those that had no values before they were moved, with a watch over their new place. */
  readonly #unset: readonly { parameter: Parameter; watch: Watch }[];

  constructor(op: string, parameters: readonly Parameter[], given: Given) {
    this.#op = op;
    this.#given = given;
    this.#own = new Set(parameters.map(({ tensor }) => tensor));
    this.#unset = parameters
      .filter(isUnset)
      .map((parameter) => ({ parameter, watch: parameter.tensor.storage.watch(parameter.tensor.region) }));
  }

  /** Throws an `ArgumentError` for the first parameter that still has no values. */
  check(): void {
    for (const { parameters } of this.#given)
      if (parameters instanceof Module) this.#checkDeclared(parameters, parameters.constructor.name);
    for (const { parameter, watch } of this.#unset) {
      parameter.tensor.storage.unwatch(watch);
      if (watch.changed) continue;
      throw new ArgumentError(
        this.#op,
        `${parameter.name} [${parameter.tensor.shape.join(", ")}] has no values yet; call initialise(seed) on the model, or load weights, before the first step`,
      );
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
