/** The tokenizers that a configuration can choose: `data.tokenizer`. */

import { isRecord } from "../platform/json.js";
import { Registry } from "../platform/registry.js";
import type { Tokenizer, TokenizerKind } from "./tokenizer.js";
import { WordTokenizer } from "./words.js";

const clip = async () => (await import("./clip/clip-tokenizer.js")).ClipTokenizer;

/** The kinds of tokenizers by name. */
export const tokenizers = new Registry<TokenizerKind>("tokenizer", [
  { name: "words", build: WordTokenizer.build, fromJSON: WordTokenizer.fromJSON },
  {
    name: "clip",
    build: async (captions, options) => (await clip()).build(captions, options),
    fromJSON: async (value, source) => (await clip()).fromJSON(value, source),
  },
]);

/**
 * Restores a tokenizer from its JSON `value`, of the kind that it names. `source` names the file in errors. Throws a `UserError`.
 */
export async function tokenizerFromJSON(value: unknown, source: string): Promise<Tokenizer> {
  const name = isRecord(value) && typeof value.tokenizer === "string" ? value.tokenizer : "words";
  return tokenizers.get(name, source).fromJSON(value, source);
}
