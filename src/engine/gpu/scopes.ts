/** Scopes: a resource made in a scope is freed at its end, unless it is returned or kept. */

import { GpuError } from "./errors.js";

/** A resource that a scope frees at its end. */
export interface Scoped {
  /** Frees the resource, unless it has been kept or freed already. */
  dispose(): void;
  readonly kept: boolean;
}

export class Scopes {
  readonly #open: Set<Scoped>[] = [];

  /** Registers a resource with the innermost scope; without a scope it is not freed automatically. */
  track(resource: Scoped): void {
    this.#open.at(-1)?.add(resource);
  }

  /** Runs `body` in a new scope inside the open ones. See `Gpu.scope`. */
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

  /** Moves the resources that a scope returns to the enclosing scope. */
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
