/** Event listeners by event name, typed by the event's value. */
export class Events<E extends object> {
  private readonly listeners = new Map<keyof E, Set<(value: never) => void>>();

  /** Calls `listener` at every such event. Returns a function that removes it. */
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
