/** Phrases of one or several words, found in a list of words. */

/** Finds the longest of its phrases that begins at a word. */
export class PhraseTable<T> {
  readonly #values = new Map<string, T[]>();
  #longest = 0;

  /** Adds what a phrase means; a phrase may mean several things. */
  add(phrase: string, value: T): void {
    const values = this.#values.get(phrase);
    if (values === undefined) this.#values.set(phrase, [value]);
    else if (!values.includes(value)) values.push(value);
    this.#longest = Math.max(this.#longest, phrase.split(" ").length);
  }

  /** The longest phrase at word `at`: its number of words, and what it means. Null if there is none. */
  longest(
    words: readonly string[],
    at: number,
  ): { readonly length: number; readonly values: readonly T[] } | null {
    for (let length = Math.min(this.#longest, words.length - at); length > 0; length--) {
      const values = this.#values.get(words.slice(at, at + length).join(" "));
      if (values !== undefined) return { length, values };
    }
    return null;
  }
}
