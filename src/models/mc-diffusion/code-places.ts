/** What tells the places of a code grid apart, of any decoder that looks at codes. */

import type { Initialiser } from "../../engine/nn/initialisers.js";
import { add } from "../../engine/ops/elementwise.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import type { DecoderShape } from "./decoder-shape.js";
import { waves } from "./tables.js";

/** Declares a parameter [rows, d] of the network that the places belong to. */
export type DeclareTable = (
  name: string,
  rows: number,
  initialiser?: Initialiser,
  trained?: boolean,
) => Tensor;

/** What tells places apart; see `DecoderShape.codePositions`. */
export interface CodePlaces {
  /** [S, d], to be added to the vectors of the codes. */
  vectors(): Tensor;
  /** The encoded condition [P, S + G, d], with the waves of the places if there are any. */
  behind(encoded: Tensor): Tensor;
}

/** Declares the parameters `codeRows` and `codeColumns`, or `codePlaces`, and `codeWaves` for waves. */
export function codePlaces(
  table: DeclareTable,
  { side, summaryTokens, codePositions }: Pick<DecoderShape, "side" | "summaryTokens" | "codePositions">,
): CodePlaces {
  const [rows, columns] =
    codePositions === "each"
      ? [table("codePlaces", side * side)]
      : [table("codeRows", side), table("codeColumns", side)];
  const smooth =
    codePositions === "waves" ? table("codeWaves", side * side + summaryTokens, waves(side), false) : null;
  return {
    vectors() {
      const dim = rows!.shape[1]!;
      return columns
        ? add(rows!.reshape([side, 1, dim]), columns.reshape([1, side, dim])).reshape([side * side, dim])
        : rows!;
    },
    behind: (encoded) => (smooth ? add(encoded, smooth) : encoded),
  };
}
