/** The tunables of a device: tables take precedence over the defaults, and lookups make no strings. */

import { shippedTuning } from "./tuning.generated.js";
import {
  type AdapterEntries,
  adapterKey,
  entriesFor,
  parseShapeClass,
  shapeClass,
  shapeCode,
  type Tunable,
  type TuningTable,
  type TuningValues,
  tableFault,
  usableValues,
  type ValuesByShape,
} from "./tuning-table.js";

/** The entries of the shipped table that were never measured: they stay when measured ones are left out. */
export function reasoned(table: TuningTable): TuningTable {
  const kept = Object.entries(table.adapters).filter(([, { measured }]) => measured === null);
  return { ...table, adapters: Object.fromEntries(kept) };
}

export class Tuning {
  /** The class of this adapter, as named in tables. */
  readonly adapter: string;
  /** Called at every lookup by an op; for the tuner. */
  onLookup: ((tunable: Tunable, shape: string) => void) | null = null;
  readonly #limits: GPUSupportedLimits;
  /** From the most general to the most specific. Lookups leave out invalid entries. */
  readonly #layers: readonly AdapterEntries[];
  readonly #overrides = new Map<Tunable, Map<number, TuningValues>>();
  readonly #trusted = new Map<Tunable, readonly ValuesByShape[]>();
  readonly #resolved = new Map<object, Map<number, TuningValues>>();

  /** `table` takes precedence over the shipped one; null: no measured values, only defaults. */
  constructor(device: GPUDevice, software: boolean, table: TuningTable | null | undefined) {
    this.#limits = device.limits;
    this.adapter = adapterKey(device.adapterInfo, software);
    const tables = [table === null ? reasoned(shippedTuning) : shippedTuning];
    if (table && tableFault(table) === null) tables.push(table);
    this.#layers = tables.map((each) => entriesFor(each, this.adapter));
  }

  /** All tunables of a kernel or choice, for a shape; the same object for the same class of shapes. */
  values<V>(tunable: Tunable<V>, shape?: readonly number[]): V {
    const code = shape ? shapeCode(shape) : 0;
    let known = this.#resolved.get(tunable);
    if (!known) {
      known = new Map();
      this.#resolved.set(tunable, known);
    }
    let values = known.get(code);
    if (!values) {
      values = this.#resolve(tunable as Tunable, code);
      known.set(code, values);
    }
    return values as V;
  }

  /** Like `values`, for an op that is about to run: notifies the tuner. */
  lookUp<V>(tunable: Tunable<V>, shape?: readonly number[]): V {
    this.onLookup?.(tunable as Tunable, shape ? shapeClass(shape) : "any");
    return this.values(tunable, shape);
  }

  #resolve(tunable: Tunable, code: number): TuningValues {
    const values = Object.fromEntries(
      Object.entries(tunable.spec.tunables).map(([name, { fallback }]) => [name, fallback]),
    );
    let trusted = this.#trusted.get(tunable);
    if (!trusted) {
      trusted = this.#layers.map((entries) => usableValues(tunable, entries, this.#limits));
      this.#trusted.set(tunable, trusted);
    }
    for (const byShape of trusted) Object.assign(values, byShape.get(0), byShape.get(code));
    const set = this.#overrides.get(tunable);
    if (set) Object.assign(values, set.get(0), set.get(code));
    return Object.freeze(values);
  }

  /**
   * Sets tunables that take precedence over all tables, for one class of shapes (`shapeClass`) or by default for any shape;
   * null undoes that. Values need not be among the candidates.
   */
  set<V>(tunable: Tunable<V>, values: Partial<V> | null, shape = "any"): void {
    const code = parseShapeClass(shape);
    if (code === null) throw new RangeError(`"${shape}" is no class of shapes`);
    const key = tunable as Tunable;
    const set = this.#overrides.get(key) ?? new Map<number, TuningValues>();
    if (values) set.set(code, values as TuningValues);
    else set.delete(code);
    this.#overrides.set(key, set);
    this.#resolved.delete(key);
  }

  /** Removes all values that `set` has set. */
  clear(): void {
    this.#overrides.clear();
    this.#resolved.clear();
  }
}
