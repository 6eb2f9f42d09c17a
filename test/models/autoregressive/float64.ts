/** An autoregressive decoder, its loss and its gradient beside a float64 reference. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import type { Check } from "../../harness.js";
import { shifted, wordLoss } from "../../reference/autoregressive.js";
import type { Weights } from "../../reference/decoder.js";
import { build, captions, ids, type Kind, pictures, settings, size } from "./decoders.js";

type Forward = (
  weights: Weights,
  shape: object,
  inputs: ArrayLike<number>,
  codes: ArrayLike<number>,
  vectors?: Float64Array,
) => Float64Array;

/**
 * Logits, loss, and of every parameter's gradient the largest element, the first and the middle one against central differences of
 * the reference. Six captions of three pictures; no condition is masked beyond what the codes say.
 */
export async function againstFloat64(
  t: Check,
  gpu: Gpu,
  kind: Kind,
  set: string[],
  forward: Forward,
): Promise<void> {
  const { length, vocabulary, side } = size;
  const section = kind === "transformer" ? kind : "lstm";
  const built = build(gpu, kind, ["decoder.pCond=0", ...set]);
  const { decoder, weights, vectors } = built;
  // Two captions a picture: the second is the first with other words.
  const rows = [0, 1, 2].flatMap((i) => {
    const own = captions.slice(i * length, (i + 1) * length);
    return [...own, ...own.map((word, at) => (at < 3 ? (word + 2) % vocabulary : word))];
  });
  const repeatedCodes = [0, 0, 1, 1, 2, 2].flatMap((i) => pictures.slice(i * side ** 2, (i + 1) * side ** 2));
  const config = settings(kind, ...set) as unknown as Record<string, { labelSmoothing: number }>;
  const { labelSmoothing } = config[section]!;
  const tokens = ids(gpu, rows, [6, length]);
  const codes = ids(gpu, pictures, [3, side ** 2]);
  const inputs = ids(gpu, shifted(rows, length, vocabulary), [6, length]);
  const random = new Rng(gpu, 1);
  const objective = decoder.objective(config[section] as never, random);
  const { logits, loss } = gpu.scope(() => {
    const logits = noGrad(() => decoder.logits(inputs, decoder.prepare(codes)));
    const { total } = objective.loss(tokens, codes);
    backward(total);
    return { logits, loss: total.detach() };
  });
  const shifts = shifted(rows, length, vocabulary);
  const seen = set.includes("decoder.conditionEmbedding=vectors") ? vectors.values : undefined;
  const at = (changed: Weights) => forward(changed, decoder.shape, shifts, repeatedCodes, seen);
  const lossAt = (changed: Weights) => wordLoss(at(changed), rows, size, labelSmoothing);
  t.near(await logits.read(), at(weights), { abs: 2e-5, rel: 2e-5 }, "logits");
  t.near(await loss.read(), [lossAt(weights)], { rel: 1e-5 }, "loss");
  logits.dispose();
  loss.dispose();
  for (const { name, tensor, trained } of decoder.parameters()) {
    if (!trained) {
      t.equal(tensor.grad, null, `${name} has no gradient`);
      continue;
    }
    const gradient = await tensor.grad!.read();
    const values = weights.get(name)!;
    const largest = gradient.reduce((best, x, i) => (Math.abs(x) > Math.abs(gradient[best]!) ? i : best), 0);
    const chosen = [...new Set([largest, 0, Math.floor(values.length / 2)])];
    const differences = chosen.map((place) => {
      const moved = (by: number) => {
        const changed = values.slice();
        changed[place]! += by;
        return lossAt(new Map([...weights, [name, changed]]));
      };
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
    t.near(
      chosen.map((place) => gradient[place]!),
      differences,
      { abs: 2e-6, rel: 2e-4 },
      `gradient of ${name}`,
    );
    t.ok(Math.abs(gradient[largest]!) > 1e-6, `${name} takes part`);
  }
  random.dispose();
  for (const tensor of [tokens, codes, inputs]) tensor.dispose();
  built.dispose();
}
