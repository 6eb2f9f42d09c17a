/** Scopes: what is made in one is freed at its end, unless it is returned or kept. */

import { GpuError } from "./errors.js";

/** Something that a scope frees at its end. */
export interface Scoped {
  /** Frees it, unless it has been kept or freed already. */
  dispose(): void;
  readonly kept: boolean;
}

export class Scopes {
  readonly #open: Set<Scoped>[] = [];

  /** Puts something under the innermost scope; without a scope it lives on. */
  track(resource: Scoped): void {
    this.#open.at(-1)?.add(resource);
  }

  /** Runs `body` in a scope around which the scopes that are open stay as they are. See `Gpu.scope`. */
  run<T>(body: () => T): T {
    const tracked = new Set<Scoped>();
    this.#open.push(tracked);
    try {
      const result = body();
      if (result instanceof Promise)
        throw new GpuError("scope: the body must not be asynchronous; read results after it");
      this.#release(result, tracked);
      return result;
    } finally {
      this.#open.pop();
      for (const resource of tracked) if (!resource.kept) resource.dispose();
    }
  }

  /** Moves what a scope returns to the scope around it. */
  #release(value: unknown, tracked: Set<Scoped>): void {
    if (typeof value !== "object" || value === null) return;
    if (tracked.delete(value as Scoped)) {
      this.#open.at(-2)?.add(value as Scoped);
    } else if (Array.isArray(value)) {
      for (const item of value) this.#release(item, tracked);
    } else if (Object.getPrototypeOf(value) === Object.prototype) {
      for (const item of Object.values(value)) this.#release(item, tracked);
    }
  }
}
