/** Reads the WordNet data that ships with the package. */

import { gunzipSync } from "node:zlib";
import { WordNet } from "../metrics/wordnet.js";
import { nodePlatform, shippedWordNet } from "../platform/node.js";

/** WordNet 3.0 from the package's folder: a third of a second, 60 MB of memory. */
export async function readWordNet(): Promise<WordNet> {
  const bytes = await nodePlatform.files.read(shippedWordNet());
  return new WordNet(gunzipSync(bytes).toString("utf8"));
}
