/** CLIP's token table as the decoder's frozen input table: `decoder.tokenEmbedding=clip`. */

import type { Config } from "../config/config.js";
import type { CaptionDecoder } from "../models/caption-decoder.js";
import { TABLE_SPREAD } from "../models/mc-diffusion/tables.js";
import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import type { FileTensor, WeightFile } from "../weight-files/weight-file.js";

/** How the table is called: OpenAI's `token_embedding.weight`, Hugging Face's `text_model.embeddings.token_embedding.weight`. */
const NAME = /(^|\.)token_embedding\.weight$/;

/** The table in a file of CLIP's weights. Throws a `UserError` if there is none, or not one alone. */
export function tokenTableIn({ tensors, path }: Pick<WeightFile, "tensors" | "path">): FileTensor {
  const found = [...tensors.values()].filter(({ name }) => NAME.test(name));
  if (found.length === 1) return found[0]!;
  throw new UserError(
    found.length === 0
      ? `${path} has no token table of CLIP (token_embedding.weight)`
      : `${path} has ${found.length} token tables: ${shown(found.map(({ name }) => name).join(", "))}; name a file of one CLIP`,
  );
}

/** Throws a `UserError` if the table is not [tokens, d] of this run. */
export function checkTokenTable(
  { name, shape }: Pick<FileTensor, "name" | "shape">,
  path: string,
  { vocabulary, config }: { vocabulary: number; config: Pick<Config, "data" | "decoder"> },
): void {
  const { data, decoder } = config;
  const [rows, width] = shape;
  const shownTable = `${path}: ${name} is [${shape.join(", ")}]`;
  if (shape.length === 2 && rows === vocabulary && width === decoder.dim) return;
  throw new UserError(
    shape.length !== 2 || rows === vocabulary
      ? `${shownTable}; the decoder needs [${vocabulary}, decoder.dim=${decoder.dim}]`
      : `${shownTable}, but the tokenizer (data.tokenizer=${data.tokenizer}) has ${vocabulary} tokens; the table needs the vocabulary of its CLIP, data.tokenizer=clip with data.vocabulary`,
  );
}

/**
 * Sets the decoder's frozen table [M + 1, d] from a file of CLIP's weights, but for the last row, [MASK]'s. CLIP's numbers are
 * multiplied by one factor, so that their root mean square is that of learned tables at the start: beside position vectors of
 * that size, CLIP's own of about 0.01 would hardly be seen. Throws a `UserError` that names file and tensor.
 */
export async function loadTokenTable(
  decoder: CaptionDecoder,
  config: Pick<Config, "data" | "decoder" | "seed">,
  file: Pick<WeightFile, "tensors" | "path">,
): Promise<void> {
  const table = tokenTableIn(file);
  checkTokenTable(table, file.path, { vocabulary: decoder.shape.vocabulary, config });
  const numbers = await table.readFloat32();
  let squares = 0;
  for (let i = 0; i < numbers.length; i++) squares += numbers[i]! ** 2;
  const size = Math.sqrt(squares / numbers.length);
  if (!Number.isFinite(size) || size === 0)
    throw new UserError(`${file.path}: ${table.name} holds no usable numbers (root mean square ${size})`);
  const { tensor, initialiser, name } = decoder
    .parameters()
    .find((parameter) => parameter.name === "tokens")!;
  const values = initialiser(tensor.shape, config.seed, name);
  for (let i = 0; i < numbers.length; i++) values[i] = numbers[i]! * (TABLE_SPREAD / size);
  tensor.write(values);
}
