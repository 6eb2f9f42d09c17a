/** An extensible set of named entries that a configuration chooses from. */

import { UserError } from "./errors.js";
import { shown } from "./shown.js";

/** A set of named entries that a configuration chooses from; programs add their own. */
export class Registry<T extends { readonly name: string }> {
  /** The kind of entry, for messages: "image tokenizer". */
  readonly kind: string;
  /** Names that an entry of the package adds when it is imported, with that entry: for messages. */
  readonly elsewhere: Readonly<Record<string, string>>;
  private readonly entries = new Map<string, T>();

  constructor(kind: string, entries: readonly T[], elsewhere: Readonly<Record<string, string>> = {}) {
    this.kind = kind;
    this.elsewhere = elsewhere;
    for (const entry of entries) this.add(entry);
  }

  /** Adds an entry. Throws a `UserError` if another one has its name. */
  add(entry: T): void {
    const known = this.entries.get(entry.name);
    if (known && known !== entry) throw new UserError(`There is another ${this.kind} named "${entry.name}".`);
    this.entries.set(entry.name, entry);
  }

  /** The names of the entries, in the order of their addition. */
  get names(): string[] {
    return [...this.entries.keys()];
  }

  /** The entries, in the same order. */
  get all(): T[] {
    return [...this.entries.values()];
  }

  /** The entry with that name. Throws a `UserError` that lists the names if there is none; `where` prefixes the message. */
  get(name: string, where?: string): T {
    const entry = this.entries.get(name);
    if (entry) return entry;
    throw new UserError(
      `${where ? `${where}: ` : ""}there is no ${this.kind} "${shown(name)}"; there are ${this.names.join(", ")}`,
    );
  }
}
