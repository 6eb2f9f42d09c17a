/** A picture's codes and their reconstruction by the VQ-VAE. */

import { type Captioner, fromArray, type RgbaImage, type Tensor, UserError } from "../../dist/index.js";
import type { Picture } from "./picture.js";

export interface Encoded {
  /** The codes y, ids [S], row by row of the grid. */
  readonly ids: Uint32Array;
  readonly reconstruction: RgbaImage;
}

/**
 * Encodes a picture; of a link's picture the codes are known. Throws a `UserError` if these are not codes of this captioner.
 */
export async function encode(
  captioner: Captioner,
  { pixels, codes: known }: Pick<Picture, "pixels" | "codes">,
): Promise<Encoded> {
  if (known) {
    const { codes: count } = captioner.config.vqvae;
    if (known.length !== captioner.positions || known.some((id) => id >= count))
      throw new UserError(
        `The picture in this link does not fit the model, which needs ${captioner.positions} codes below ${count}; check that the whole link was copied.`,
      );
    const reconstruction = await withCodes(captioner, known, (codes) => captioner.reconstruct(codes));
    return { ids: known, reconstruction };
  }
  const codes = await captioner.codes(pixels);
  try {
    const [ids, reconstruction] = await Promise.all([codes.read(), captioner.reconstruct(codes)]);
    return { ids, reconstruction };
  } finally {
    codes.dispose();
  }
}

/** The reconstruction as a picture of the page. */
export function imageData({ reconstruction: { data, width, height } }: Encoded): ImageData {
  return new ImageData(data, width, height);
}

/** Runs `body` with the ids as a tensor [1, S], and disposes the tensor afterwards. Returns what `body` does. */
export async function withCodes<T>(
  { gpu }: Captioner,
  ids: Uint32Array,
  body: (codes: Tensor<"u32">) => Promise<T>,
): Promise<T> {
  const codes = fromArray(gpu, ids, [1, ids.length], "u32", "codes").keep();
  try {
    return await body(codes);
  } finally {
    codes.dispose();
  }
}

/** Tokens reported for each position, the end of a caption and the unknown word among them. */
const alternatives = 6;
/** The same where many of them are parts of words, which are not offered. */
const alternativesOfPieces = 24;

/** What the page shows of each step. */
export function reported({ tokenizer, decoder }: Captioner): { alternatives: number; attention: boolean } {
  return {
    alternatives: tokenizer.endsWord ? alternativesOfPieces : alternatives,
    attention: decoder.shows.attention,
  };
}
