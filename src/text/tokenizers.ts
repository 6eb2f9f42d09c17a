/** The tokenizers that a configuration can choose: `data.tokenizer`. */

import { isRecord } from "../platform/json.js";
import { Registry } from "../platform/registry.js";
import type { Tokenizer, TokenizerKind } from "./tokenizer.js";
import { WordTokenizer } from "./words.js";

/** The kinds of tokenizers by name. */
export const tokenizers = new Registry<TokenizerKind>("tokenizer", [
  { name: "words", build: WordTokenizer.build, fromJSON: WordTokenizer.fromJSON },
]);

/**
 * Restores a tokenizer from its JSON `value`, of the kind that it names. `source` names the file in errors. Throws a `UserError`.
 */
export function tokenizerFromJSON(value: unknown, source: string): Tokenizer {
  const name = isRecord(value) && typeof value.tokenizer === "string" ? value.tokenizer : "words";
  return tokenizers.get(name, source).fromJSON(value, source);
}
