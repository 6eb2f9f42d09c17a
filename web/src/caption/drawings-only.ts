/** Tells pictures that are unlike the drawings which the shipped model was trained on, by the codes at their edge. */

import type { Captioner } from "../../../dist/index.js";
import measured from "../../measured/codes.json" with { type: "json" };
import { fromBase64 } from "../base64.js";
import type { Picture } from "../picture.js";

const { codes, edge, threshold, unit } = measured;
const table = fromBase64(measured.table);

/** The remark on a picture beyond the threshold. */
export const remark =
  "This model knows drawings of emoji on a white background. This picture looks unlike them, so the caption is a guess.";

/** The mean of −log p(code | place) over the edge of the grid, in nats, with p counted over the training pictures' codes. */
export function distance(ids: Uint32Array): number {
  const sum = edge.reduce((sum, place, row) => sum + table[row * codes + ids[place]!]!, 0);
  return (sum * unit) / edge.length;
}

/**
 * Whether a picture is further from the training pictures than 99 % of the validation pictures are (measured by
 * web/measure-codes.js). Looks at its centre square, as the white that pads other shapes would look like a drawing's. `ids`: the codes
 * of the whole picture.
 */
export async function isForeign(
  captioner: Captioner,
  { pixels }: Pick<Picture, "pixels">,
  ids: Uint32Array,
): Promise<boolean> {
  // A square picture is its own centre.
  if (pixels.width === pixels.height) return distance(ids) > threshold;
  const square = await captioner.codes(pixels, "cover");
  const centre = await square.read().finally(() => square.dispose());
  return distance(centre) > threshold;
}
