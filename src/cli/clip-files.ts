/** CLIP's files for training: its token table, and what the preset `paper` does without them. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { checkTokenTable, loadTokenTable, tokenTableIn } from "../training/token-table.js";
import { openWeightFile } from "../weight-files/node.js";
import type { WeightFile } from "../weight-files/weight-file.js";

/** Runs `body` with the file of CLIP's token table, if the decoder reads tokens from that. Returns whether it does. */
async function withClip(
  { decoder: { tokenEmbedding, clipWeights } }: Config,
  body: (file: WeightFile) => Promise<void>,
): Promise<boolean> {
  if (tokenEmbedding !== "clip") return false;
  const file = await openWeightFile(clipWeights);
  try {
    await body(file);
  } finally {
    await file.close();
  }
  return true;
}

/** Throws a `UserError` if the table that a run needs is missing or does not fit, before the run begins. */
export async function checkClipTable(config: Config, { vocabularySize }: Tokenizer): Promise<void> {
  await withClip(config, async (file) =>
    checkTokenTable(tokenTableIn(file), file.path, { vocabulary: vocabularySize, config }),
  );
}

/** Sets the decoder's token table, if it is CLIP's: see `loadTokenTable`. Returns whether it is. */
export function setClipTable({ decoder, config }: Captioner): Promise<boolean> {
  return withClip(config, (file) => loadTokenTable(decoder, config, file));
}

/** The sentence for the preset `paper` without CLIP's files; null if nothing is missing. */
export function withoutClip(
  preset: string | undefined,
  { data, decoder }: Pick<Config, "data" | "decoder">,
  { vocabularySize }: Pick<Tokenizer, "vocabularySize">,
): string | null {
  if (preset !== "paper") return null;
  const hasWords = data.tokenizer === "words" && data.vocabulary === "";
  const learns = decoder.tokenEmbedding === "learned" && decoder.clipWeights === "";
  const millions = ((vocabularySize * decoder.dim) / 1e6).toFixed(1);
  const keys = [...(hasWords ? ["data.vocabulary"] : []), ...(learns ? ["decoder.clipWeights"] : [])];
  const instead = [
    ...(hasWords
      ? [`the ${vocabularySize} words of the captions are the tokens, not CLIP's 49,408 pieces`]
      : []),
    ...(learns
      ? [`the decoder learns its token table (${millions} M parameters), where the paper's is CLIP's, frozen`]
      : []),
  ];
  if (keys.length === 0) return null;
  return `preset paper without ${keys.join(" and ")}, files of CLIP: ${instead.join(", and ")}`;
}
