/** Listeners by the name of an event, typed by what is told with it. */
export class Events<E extends object> {
  private readonly listeners = new Map<keyof E, Set<(value: never) => void>>();

  /** Calls `listener` at every such event; returns a function that ends it. */
  on<K extends keyof E>(event: K, listener: (value: E[K]) => void): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<K extends keyof E>(event: K, value: E[K]): void {
    for (const listener of this.listeners.get(event) ?? []) (listener as (value: E[K]) => void)(value);
  }
}
