/** The WordNet data that ships with the package, read once for all tests of a file. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { WordNet } from "../dist/metrics.js";

const file = fileURLToPath(new URL("../wordnet/wordnet-3.0.txt.gz", import.meta.url));

export const wordNet = new WordNet(gunzipSync(readFileSync(file)).toString("utf8"));
