/** Scores captions against references, without a GPU: `node examples/score-captions.js`. */

import { bleu, ciderD, scoreCaptions } from "mc-diffusion/metrics";

const candidates = ["man kneeling dark skin tone", "waving hand medium skin tone", "woman with hat"];
const references = [
  ["man kneeling dark skin tone", "kneeling man with dark skin"],
  ["waving hand medium-dark skin tone", "hand waving"],
  ["cowboy hat face", "face with cowboy hat"],
];

const scores = scoreCaptions(candidates, references);
console.log(`BLEU-1 to 4: ${scores.bleu.map((score) => score.toFixed(3)).join(", ")}`);
console.log(`CIDEr-D (0 to 10): ${scores.ciderD.toFixed(3)}`);
console.log(`exact: ${scores.exactMatch.accuracy.toFixed(3)} of ${scores.exactMatch.count} captions`);

// Each caption alone; document frequencies come from all references.
const { each } = ciderD(candidates, references);
for (const [i, caption] of candidates.entries()) {
  const [, two] = bleu([caption], [references[i]]);
  console.log(`${caption}: CIDEr-D ${each[i].toFixed(2)}, BLEU-2 ${two.toFixed(2)}`);
}
