/** What the codes of held-out pictures name, for image tokenizers that learn to name things. */

import type { Dataset, Shown } from "../data/dataset.js";
import { noGrad } from "../engine/tensor/tape.js";
import { fromArray } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import type { StageContext } from "./trainer.js";

/** Pictures whose logits are read at once. */
const AT_ONCE = 16;

/** What the data tell of `things` kinds of things. Throws a `UserError` if they tell nothing, or of another number. */
export function shownOf({ name, shown }: Dataset, things: number): Shown {
  if (!shown)
    throw new UserError(
      `vqvae.naming needs data that tell where each thing is, as scenes do; ${name} does not: set it to 0`,
    );
  if (shown.things !== things)
    throw new UserError(
      `data set ${name} shows ${shown.things} kinds of things: set data.things to that, not to ${things}`,
    );
  return shown;
}

/** Share of the places [P, S] with a thing that the codes [P, S] name rightly. 0 if there are none. */
export async function shareNamed(
  { captioner }: Pick<StageContext, "captioner">,
  codes: Uint32Array,
  shown: Uint32Array,
): Promise<number> {
  const { imageTokenizer } = captioner;
  const { gpu, side, things = 0 } = imageTokenizer;
  const chunk = AT_ONCE * side * side;
  let [right, all] = [0, 0];
  for (let from = 0; from < codes.length; from += chunk) {
    const part = codes.subarray(from, from + chunk);
    const ids = fromArray(gpu, part, [part.length / side ** 2, side * side], "u32", "codes");
    const logits = gpu.scope(() => noGrad(() => imageTokenizer.nameCodes!(ids)));
    const values = await logits.read();
    for (const tensor of [ids, logits]) tensor.dispose();
    for (let i = 0; i < part.length; i++) {
      const thing = shown[from + i]!;
      if (thing === things) continue;
      const row = values.subarray(i * things, (i + 1) * things);
      all++;
      if (row.indexOf(row.reduce((a, b) => Math.max(a, b))) === thing) right++;
    }
  }
  return all === 0 ? 0 : right / all;
}
